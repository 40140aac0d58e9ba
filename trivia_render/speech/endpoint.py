"""Where Text-to-Speech is reached other than at its global address. Pure."""

import re
from typing import Literal, NamedTuple

_FORM = re.compile(r"(http://)?([A-Za-z0-9][A-Za-z0-9._-]*)(?::(\d{1,5}))?", re.ASCII)


class Endpoint(NamedTuple):
    """A gRPC service, as `host` or `host:port`: by TLS with Google credentials, or in plaintext with none."""

    target: str
    transport: Literal["tls", "plaintext"]


def parse_endpoint(text: str) -> Endpoint:
    """Read `host`, `host:port` or `http://host:port`. Raises ValueError saying which form is taken."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(
            "write it as `host` or `host:port` without a scheme, such as eu-texttospeech.googleapis.com, "
            "or as `http://host:port` for plaintext without credentials"
        )
    scheme, host, port = match.groups()
    if port is not None and not 1 <= int(port) <= 65_535:
        raise ValueError(f"{port} is no port: ports go from 1 to 65535")
    if scheme is not None and port is None:
        raise ValueError("`http://` needs a port too, such as http://127.0.0.1:50051")
    return Endpoint(host if port is None else f"{host}:{port}", "plaintext" if scheme else "tls")
