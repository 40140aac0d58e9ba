#!/bin/bash
# Install the GPU driver of Container-Optimized OS and make sure that a container can use it. Drivers are signed
# by Google and work with Secure Boot. Safe to run again.
# Usage: install-gpu-driver.sh VERSION
set -euo pipefail

version=$1
folder=/var/lib/nvidia

install() {
  cos-extensions install gpu -- "-version=${version}"
  # Nothing under /var can be executed; this folder must be.
  if ! mountpoint --quiet "${folder}"; then
    mount --bind "${folder}" "${folder}"
  fi
  mount --options remount,exec "${folder}"
  # The installer makes the device nodes; that of unified memory where it has loaded the module.
  if [[ ! -c /dev/nvidia-uvm ]]; then
    "${folder}/bin/nvidia-modprobe" -c0 -u
  fi
}

check() {
  for device in /dev/nvidia0 /dev/nvidiactl /dev/nvidia-uvm; do
    if [[ ! -c ${device} ]]; then
      echo "There is no ${device}." >&2
      return 1
    fi
  done
  # Else the driver is loaded anew by each process that comes first.
  "${folder}/bin/nvidia-smi" --persistence-mode=1
  "${folder}/bin/nvidia-smi" --query-gpu=name,driver_version --format=csv,noheader
}

for attempt in 1 2 3; do
  # A subshell, and not a condition: there, a line that fails would not end a function.
  set +e
  (
    set -e
    install
    check
  )
  result=$?
  set -e
  if [[ ${result} -eq 0 ]]; then
    exit 0
  fi
  echo "Attempt ${attempt} to install the GPU driver has failed." >&2
  sleep 10
done
echo "There is no usable GPU: the group's health check replaces this machine." >&2
exit 1
