#!/bin/bash
# Fetch an image of Artifact Registry with the machine's identity, unless it is here. Docker's configuration is
# written below HOME. Callers wait for each other, so that one of them fetches.
# Usage: fetch-image.sh IMAGE REGISTRY
set -euo pipefail

image=$1
registry=$2

mkdir -p "${HOME}/.docker"
exec 9>"${HOME}/.docker/trivia-image.lock"
flock 9

if docker image inspect "${image}" >/dev/null 2>&1; then
  exit 0
fi
docker-credential-gcr configure-docker --registries="${registry}"
for attempt in 1 2 3 4 5; do
  if docker pull --quiet "${image}"; then
    exit 0
  fi
  echo "Attempt ${attempt} to fetch ${image} has failed." >&2
  sleep 10
done
exit 1
