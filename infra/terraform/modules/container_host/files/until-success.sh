#!/bin/bash
# Run a command until it succeeds, such as a migration of a database that is not there yet.
# Usage: until-success.sh COMMAND…
set -euo pipefail

until "$@"; do
  echo "It has failed and is tried again in 15 s." >&2
  sleep 15
done
