#!/bin/bash
# Run a command until it succeeds, such as asking whether another unit has done its work.
# Usage: until-success.sh COMMAND…
set -euo pipefail

until "$@"; do
  echo "Not yet: $* (asked again in 15 s)" >&2
  sleep 15
done
