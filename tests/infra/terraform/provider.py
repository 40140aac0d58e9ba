"""A provider that knows a schema and nothing else, served to Terraform over plugin protocol 6.

It answers what `terraform init`, `validate` and `test` with mocked providers ask: unknown arguments, wrong
types and missing or surplus blocks are found by Terraform itself, by this schema. It refuses nothing of its
own accord, reads nothing and makes nothing: a plan without mocks ends with an error.

Terraform attaches to the running server (TF_REATTACH_PROVIDERS, meant for debugging providers), which saves
starting an interpreter for each command, a mirror of the registry, and a lock file.

The few messages are written here, field by field, from tfplugin6.proto: the packages that generate them want
another major version of protobuf than Google's clients.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]

from tests.infra.terraform.schema import Attribute, Block, NestedBlock, ProviderSchema

#: The provider's address without its registry, which is the default one.
ADDRESS = "hashicorp/google"

_SERVICE = "tfplugin6.Provider"
#: Requests whose empty answer means: nothing to complain about.
_CONTENT = (
    "ValidateProviderConfig",
    "ValidateResourceConfig",
    "ValidateDataResourceConfig",
    "ConfigureProvider",
    "StopProvider",
)
_NESTING = {"single": 1, "list": 2, "set": 3}


@contextmanager
def serving(schema: ProviderSchema) -> Iterator[dict[str, str]]:
    """Serve the schema on a socket of its own, and yield the environment in which Terraform finds it."""
    answer = _provider_schema(schema)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    methods = {"GetProviderSchema": _answering(answer)} | {name: _answering(b"") for name in _CONTENT}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
    with tempfile.TemporaryDirectory(prefix="google-") as folder:
        socket = Path(folder) / "provider.sock"
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        try:
            yield {"TF_REATTACH_PROVIDERS": json.dumps({ADDRESS: _place(socket)})}
        finally:
            server.stop(grace=None).wait()


def _place(socket: Path) -> dict[str, Any]:
    # `Test`: the process is not Terraform's to end.
    return {
        "Protocol": "grpc",
        "ProtocolVersion": 6,
        "Pid": os.getpid(),
        "Test": True,
        "Addr": {"Network": "unix", "String": str(socket)},
    }


def _answering(message: bytes) -> Any:
    return grpc.unary_unary_rpc_method_handler(lambda request, context: message)


def _provider_schema(schema: ProviderSchema) -> bytes:
    return b"".join(
        [
            _field(1, _schema(schema.provider)),
            *(_field(2, _entry(name, block)) for name, block in schema.resources.items()),
            *(_field(3, _entry(name, block)) for name, block in schema.data_sources.items()),
            # get_provider_schema_optional: Terraform may ask once and remember, which halves its own work.
            _field(6, _field(2, 1)),
        ]
    )


def _entry(name: str, block: Block) -> bytes:
    return _field(1, name.encode()) + _field(2, _schema(block))


def _schema(block: Block) -> bytes:
    return _field(2, _block(block))


def _block(block: Block) -> bytes:
    attributes = (_field(2, _attribute(name, attribute)) for name, attribute in block.attributes.items())
    blocks = (_field(3, _nested(name, nested)) for name, nested in block.blocks.items())
    return b"".join([*attributes, *blocks])


def _attribute(name: str, attribute: Attribute) -> bytes:
    return b"".join(
        [
            _field(1, name.encode()),
            _field(2, json.dumps(attribute.type).encode()),
            _field(4, int(attribute.required)),
            _field(5, int(attribute.optional)),
            _field(6, int(attribute.computed)),
        ]
    )


def _nested(name: str, nested: NestedBlock) -> bytes:
    return b"".join(
        [
            _field(1, name.encode()),
            _field(2, _block(nested.block)),
            _field(3, _NESTING[nested.nesting]),
            _field(4, nested.min_items),
            _field(5, nested.max_items),
        ]
    )


def _field(number: int, value: bytes | int) -> bytes:
    """Encode a field of a message: bytes with their length, or a number. Numbers that are 0 are left out."""
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    return _varint(number << 3) + _varint(value) if value else b""


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
