#!/bin/bash
# Let in connections to TCP ports: Container-Optimized OS itself lets in SSH alone. Safe to run again.
# Usage: open-ports.sh PORT…
set -euo pipefail

for port in "$@"; do
  rule=(INPUT -p tcp --dport "${port}" -j ACCEPT)
  if ! iptables -w -C "${rule[@]}" 2>/dev/null; then
    iptables -w -A "${rule[@]}"
  fi
done
