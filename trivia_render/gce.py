"""Whether this is a machine of Google Cloud, without asking the network."""

from pathlib import Path

_HOST = "metadata.google.internal"
_PRODUCT = Path("/sys/class/dmi/id/product_name")


def metadata_url(host: str | None) -> str | None:
    """Return where this machine's metadata server is, or None on a machine that has none.

    `host`: the one that is configured, if any.
    """
    if host is not None:
        return f"http://{host}/computeMetadata/v1"
    try:
        product = _PRODUCT.read_text()
    except OSError:
        return None
    return f"http://{_HOST}/computeMetadata/v1" if "Google" in product else None
