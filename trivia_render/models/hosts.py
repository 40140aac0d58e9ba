"""Lists of hosts, as settings have them. Pure."""

import re
from collections.abc import Sequence

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# A wildcard stands before two parts at least: `*.com` would be half of the internet.
_ENTRY = re.compile(rf"(?:\*\.(?:{_LABEL}\.)+|(?:{_LABEL}\.)+)[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?", re.ASCII)


def parse_hosts(text: str) -> tuple[str, ...]:
    """Read `host.name, *.example.com`, separated by commas. Raises ValueError with a bad one's number."""
    entries = tuple(entry for part in text.split(",") if (entry := part.strip().lower()))
    for number, entry in enumerate(entries, start=1):
        if not _ENTRY.fullmatch(entry):
            # Without its text: an address that was put here may have a password.
            raise ValueError(
                f"entry {number} is no host: write names such as images.example.com, or *.example.com for "
                "all below it, separated by commas"
            )
    return entries


def is_allowed(host: str, hosts: Sequence[str]) -> bool:
    """Tell whether the list has the host, by its name or by a wildcard for all names below another one."""
    return any(host == entry or (entry.startswith("*.") and host.endswith(entry[1:])) for entry in hosts)
