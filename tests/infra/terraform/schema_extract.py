"""Takes the google provider's schema out of a PyPI wheel. Run by hand, when a newer one is wanted:

`python -m tests.infra.terraform.schema_extract cdktn_provider_google-….whl` rewrites google_schema.json with
the types of `types.txt` beside this file.

The wheel of `cdktn-provider-google` holds JavaScript that was generated from `terraform providers schema`.
For each resource it says the name, type and block nesting of each argument (the `ToHclTerraform` functions),
and in a comment at each accessor whether it is required, optional or computed. Lost are the limits on the
number of blocks but for "one" and "any", and which values are sensitive.
"""

import io
import re
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tests.infra.terraform.schema import SCHEMA_FILE, Attribute, Block, NestedBlock, ProviderSchema, write

TYPES_FILE = Path(__file__).with_name("types.txt")

_SCALARS = {"string": "string", "number": "number", "boolean": "bool"}
_ENTRY = re.compile(
    r"(\w+): \{\s*value: (?P<value>.+?),\s*isBlock: (?P<block>true|false),\s*"
    r'type: "(?P<kind>\w+)",\s*storageClassType: "(?P<storage>\w+)",?\s*\}',
    re.DOTALL,
)
_ACCESSOR = re.compile(
    r"// (?P<name>\w+) - computed: (?P<computed>true|false), optional: (?P<optional>true|false), "
    r"required: (?P<required>true|false)\n(?P<code>.*?)(?=\n    // \w+ - computed|\Z)",
    re.DOTALL,
)
_OPTIONAL = {"required": "false", "optional": "true", "computed": "false"}
_VERSION = re.compile(r"providerVersion: '(\d+\.\d+\.\d+)'")


class Module:
    """The JavaScript of one resource, cut into its functions and classes."""

    def __init__(self, text: str) -> None:
        self._functions = {
            match["name"]: match["body"]
            for match in re.finditer(
                r"^function (?P<name>\w+)\(struct\) \{(?P<body>.*?)^\}", text, re.DOTALL | re.MULTILINE
            )
        }
        self._classes = {
            match["name"]: match["body"]
            for match in re.finditer(
                r"^class (?P<name>\w+) extends \S+ \{(?P<body>.*?)^\}", text, re.DOTALL | re.MULTILINE
            )
        }
        roots = [name for name, body in self._classes.items() if "tfResourceType" in body]
        if len(roots) != 1:
            raise ValueError(f"one class with a tfResourceType was expected, not {roots}")
        self._root = self._classes[roots[0]]
        version = _VERSION.search(self._root)
        self.version = version[1] if version else ""

    def block(self) -> Block:
        """Return what the resource itself may hold."""
        start = self._root.find("synthesizeHclAttributes()")
        return self._block(self._root, self._root[start:] if start >= 0 else "")

    def _block(self, accessors: str, entries: str) -> Block:
        flags = {match["name"]: match for match in _ACCESSOR.finditer(accessors)}
        attributes: dict[str, Attribute] = {}
        blocks: dict[str, NestedBlock] = {}
        for entry in _ENTRY.finditer(entries):
            name, flag = entry[1], flags.get(entry[1], _OPTIONAL)
            if entry["block"] == "true":
                blocks[name] = self._nested(entry, required=flag["required"] == "true")
            else:
                attributes[name] = _attribute(_argument_type(entry), flag)
        for name, flag in flags.items():
            if name not in attributes and name not in blocks:
                attributes[name] = _attribute(self._exported_type(flag["code"]), flag)
        return Block(attributes=attributes, blocks=blocks)

    def _nested(self, entry: re.Match[str], *, required: bool) -> NestedBlock:
        function = re.search(r"(\w+)ToHclTerraform", entry["value"])
        if function is None:
            raise ValueError(f"no function writes the block {entry[1]}")
        name = function[1]
        # The provider's own blocks have no accessors: what they hold is taken for optional.
        accessors = self._classes.get(f"{name[0].upper()}{name[1:]}OutputReference", "")
        block = self._block(accessors, self._functions[f"{name}ToHclTerraform"])
        if entry["kind"] == "struct":
            return NestedBlock(nesting="single", block=block)
        nesting: Literal["set", "list"] = "set" if entry["kind"] == "set" else "list"
        many = "listMapperHcl" in entry["value"]
        return NestedBlock(nesting=nesting, min_items=int(required), max_items=0 if many else 1, block=block)

    def _exported_type(self, code: str) -> Any:
        """Return the type of a value that only the provider sets, by how it is read."""
        if found := re.search(r"get(String|Number|Boolean)Attribute", code):
            return _SCALARS[found[1].lower()]
        if found := re.search(r"get(Number)?ListAttribute", code):
            return ["set" if "Fn.tolist" in code else "list", "number" if found[1] else "string"]
        if found := re.search(r"new cdktn\.(String|Number|Boolean)Map\(", code):
            return ["map", _SCALARS[found[1].lower()]]
        if found := re.search(
            r"new (\w+?)(List|OutputReference|Map)\(this, \"\w+\"(?:, (true|false))?", code
        ):
            accessors = _ACCESSOR.finditer(self._classes[f"{found[1]}OutputReference"])
            members = {match["name"]: self._exported_type(match["code"]) for match in accessors}
            return ["set" if found[3] == "true" else "list", ["object", members]]
        return "dynamic"


def _argument_type(entry: re.Match[str]) -> Any:
    storage, kind = entry["storage"], entry["kind"]
    if kind == "simple":
        return _SCALARS[storage]
    element = re.fullmatch(r"(string|number|boolean)(?:List|Map)", storage)
    # What is left are lists of objects that are set with `=`: none of the types in use has one.
    return [kind, _SCALARS[element[1]]] if element else "dynamic"


def _attribute(type_: Any, flag: Mapping[str, str] | re.Match[str]) -> Attribute:
    return Attribute(
        type=type_,
        required=flag["required"] == "true",
        optional=flag["optional"] == "true",
        computed=flag["computed"] == "true",
    )


def _provider_block(text: str) -> Block:
    """Return the provider's own configuration. Nothing of it is computed."""
    module = Module(text)
    block = module.block()
    return block.model_copy(
        update={
            "attributes": {
                name: attribute.model_copy(update={"computed": False})
                for name, attribute in block.attributes.items()
            }
        }
    )


def extract(wheel: Path, types: Sequence[str]) -> ProviderSchema:
    """Return the schema of the types, such as `google_project` and `data.google_project`."""
    with zipfile.ZipFile(wheel) as archive:
        (package,) = (name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        packed = io.BytesIO(archive.read(package))
    with tarfile.open(fileobj=packed) as files:
        members = {member.name: member for member in files.getmembers()}

        def text(folder: str) -> str:
            name = f"package/lib/{folder}/index.js"
            if name not in members:
                raise ValueError(f"{wheel.name} has no {name}")
            opened = files.extractfile(members[name])
            assert opened is not None
            return opened.read().decode()

        found: dict[bool, dict[str, Block]] = {True: {}, False: {}}
        version = ""
        for name in types:
            is_data = name.startswith("data.")
            bare = name.removeprefix("data.")
            slug = bare.removeprefix("google_").replace("_", "-")
            module = Module(text(f"data-google-{slug}" if is_data else slug))
            version = version or module.version
            found[is_data][bare] = module.block()
        return ProviderSchema(
            version=version,
            source=wheel.name,
            provider=_provider_block(text("provider")),
            resources=found[False],
            data_sources=found[True],
        )


def main(arguments: Sequence[str]) -> None:
    """Rewrite google_schema.json from a wheel."""
    types = [line for line in TYPES_FILE.read_text(encoding="utf-8").splitlines() if line.strip()]
    schema = extract(Path(arguments[0]), types)
    write(schema, SCHEMA_FILE)
    print(f"{SCHEMA_FILE.name}: google {schema.version}, {len(types)} types")


if __name__ == "__main__":
    main(sys.argv[1:])
