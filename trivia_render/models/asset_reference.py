"""Images that lie elsewhere, as a config names them: the form of such a name. Pure; nothing is asked."""

import re
from typing import NamedTuple

# A name of one part is no name on the internet; a last part that starts with a digit is an IP address in
# one of its many spellings (127.1, 2130706433, 0x7f.1). Other letters than ASCII go as `xn--…`.
_HOST = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_WEB = re.compile(rf"https://(?P<host>{_HOST})(?::443)?(?P<target>/[!-~]*)", re.IGNORECASE | re.ASCII)
_BUCKET = re.compile(
    r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(?P<name>[^\x00-\x1f\x7f]{1,1024})"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*:(?=//)|data:")

_STEPS = frozenset({".", ".."})
#: Longest name of a host, RFC 1035.
_LONGEST_HOST = 253


class BucketImage(NamedTuple):
    """An object of Cloud Storage."""

    bucket: str
    name: str


class WebImage(NamedTuple):
    """What a server gives by https. `target`: path and query as they are sent."""

    host: str
    target: str


RemoteImage = BucketImage | WebImage


def parse_remote(reference: str) -> RemoteImage | None:
    """Read a `gs://` or `https://` reference; None for a name of a file, or of an image in the store.

    Raises ValueError saying what is wrong with it, without repeating it: it may hold a secret.
    """
    scheme = _SCHEME.match(reference)
    if scheme is None:
        return None
    kind = scheme[0].lower()
    if kind == "gs:":
        return _bucket_image(reference)
    if kind == "https:":
        return _web_image(reference)
    raise ValueError(f"{kind} is not fetched; images come from a file, gs:// or https://")


def _bucket_image(reference: str) -> BucketImage:
    found = _BUCKET.fullmatch(reference)
    if found is None:
        raise ValueError("write it as gs://bucket/name, without control characters")
    # Clients and servers take these for steps in a path, and ask for the bucket or for another object.
    if not _STEPS.isdisjoint(found["name"].split("/")):
        raise ValueError("the name of an object has no . and no .. between its slashes")
    return BucketImage(found["bucket"], found["name"])


def _web_image(reference: str) -> WebImage:
    authority = re.split(r"[/?#\\]", reference[len("https://") :], maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("an address with a user or a password in it is not fetched")
    if "#" in reference or "\\" in reference:
        raise ValueError("an address has no # and no backslash")
    found = _WEB.fullmatch(reference)
    if found is None or len(found["host"]) > _LONGEST_HOST:
        raise ValueError(
            "write it as https://host.name/path: a host by its full name and no number, no port but 443, "
            "and signs other than ASCII percent-encoded"
        )
    return WebImage(found["host"].lower(), found["target"])
