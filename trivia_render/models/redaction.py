"""Texts as they may be shown and logged: without what only its owner should know. Pure."""

import re

# Up to the last @ before the path: a password may hold one. And one with a slash of its own, as programs
# other than browsers read it; digits and then a slash are a port.
_USER = re.compile(r"(?<=://)(?:[^/?#\s]*@|[^/?#\s@:]+:(?!\d{1,5}[/?#])[^\s@]*@)")
_QUERY = re.compile(r"\?[^\s#'\"]+")
_SECRET_NAME = re.compile(
    r"AUTH|SECRET|PASSWORD|TOKEN|CREDENTIAL|(?:^|_)KEY(?:_|$)|CONNECTION_URL", re.IGNORECASE
)
#: A user, or a scheme, and what comes before an address.
_PASSWORD = re.compile(r":.*@", re.DOTALL)
_LONGEST_VALUE = 200


def without_users(text: str) -> str:
    """Return a text in which no address has a user or a password any more."""
    return _USER.sub("…@", text) if "://" in text else text


def redacted_url(text: str) -> str:
    """Return an address without user, password and query.

    A query may be a signature that opens what is signed, as that of a signed Cloud Storage URL does.
    """
    return _QUERY.sub("?…", without_users(text)) if "://" in text else text


def shown_value(variable: str, value: object) -> str:
    """Return an environment variable's value as an error may quote it: nothing if it may hold a password."""
    if _SECRET_NAME.search(variable) or _PASSWORD.search(str(value)):
        return "(not shown)"
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
