#!/bin/bash
# Fail if the machine is being preempted. The notice comes up to two minutes before the end: a worker that has
# given its jobs back must not be started again meanwhile. Where the metadata server does not answer, it is not.
set -euo pipefail

url=http://metadata.google.internal/computeMetadata/v1/instance/preempted
if ! preempted=$(curl --silent --fail --max-time 5 --header 'Metadata-Flavor: Google' "${url}"); then
  exit 0
fi
[[ ${preempted} != TRUE ]]
