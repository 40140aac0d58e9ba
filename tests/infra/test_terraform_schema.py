"""How the provider's schema is taken out of generated JavaScript."""

from pathlib import Path

import pytest

from tests.infra.terraform.schema import Attribute, Block, NestedBlock, ProviderSchema, google_schema, write
from tests.infra.terraform.schema_extract import TYPES_FILE, Module

#: As in the wheel of cdktn-provider-google, shortened: two blocks, and each kind of argument and value.
JAVASCRIPT = """
function bucketRuleToHclTerraform(struct) {
    const attrs = {
        days: {
            value: cdktn.numberToHclTerraform(struct.days),
            isBlock: false,
            type: "simple",
            storageClassType: "number",
        },
    };
}
class BucketRuleOutputReference extends cdktn.ComplexObject {
    // days - computed: false, optional: true, required: false
    get days() {
        return this.getNumberAttribute('days');
    }
    // applied - computed: true, optional: false, required: false
    get applied() {
        return this.getBooleanAttribute('applied');
    }
}
function bucketTimeoutsToHclTerraform(struct) {
    const attrs = {
    };
}
class BucketTimeoutsOutputReference extends cdktn.ComplexObject {
}
class BucketStatusOutputReference extends cdktn.ComplexObject {
    // zones - computed: true, optional: false, required: false
    get zones() {
        return cdktn.Fn.tolist(this.getListAttribute('zones'));
    }
}
class Bucket extends cdktn.TerraformResource {
    static tfResourceType = "google_bucket";
    constructor(scope, id, config) {
        super(scope, id, {
            terraformGeneratorMetadata: {
                providerVersion: '8.7.0',
            },
        });
    }
    // name - computed: false, optional: false, required: true
    get name() {
        return this.getStringAttribute('name');
    }
    // labels - computed: false, optional: true, required: false
    get labels() {
        return this.getStringMapAttribute('labels');
    }
    // status - computed: true, optional: false, required: false
    _status = new BucketStatusList(this, "status", false);
    get status() {
        return this._status;
    }
    // rule - computed: false, optional: false, required: true
    _rule = new BucketRuleList(this, "rule", true);
    get rule() {
        return this._rule;
    }
    // timeouts - computed: false, optional: true, required: false
    _timeouts = new BucketTimeoutsOutputReference(this, "timeouts");
    get timeouts() {
        return this._timeouts;
    }
    synthesizeHclAttributes() {
        const attrs = {
            name: {
                value: cdktn.stringToHclTerraform(this._name),
                isBlock: false,
                type: "simple",
                storageClassType: "string",
            },
            labels: {
                value: cdktn.hashMapperHcl(cdktn.stringToHclTerraform)(this._labels),
                isBlock: false,
                type: "map",
                storageClassType: "stringMap",
            },
            rule: {
                value: cdktn.listMapperHcl(bucketRuleToHclTerraform, true)(this._rule.internalValue),
                isBlock: true,
                type: "set",
                storageClassType: "BucketRuleList",
            },
            timeouts: {
                value: bucketTimeoutsToHclTerraform(this._timeouts.internalValue),
                isBlock: true,
                type: "struct",
                storageClassType: "BucketTimeouts",
            },
        };
    }
}
"""

BLOCK = Block(
    attributes={
        "name": Attribute(type="string", required=True),
        "labels": Attribute(type=["map", "string"], optional=True),
        "status": Attribute(type=["list", ["object", {"zones": ["set", "string"]}]], computed=True),
    },
    blocks={
        "rule": NestedBlock(
            nesting="set",
            min_items=1,
            block=Block(
                attributes={
                    "days": Attribute(type="number", optional=True),
                    "applied": Attribute(type="bool", computed=True),
                }
            ),
        ),
        "timeouts": NestedBlock(nesting="single", block=Block()),
    },
)


def test_arguments_values_and_blocks_are_read_from_the_generated_code() -> None:
    module = Module(JAVASCRIPT)
    assert module.version == "8.7.0"
    assert module.block() == BLOCK


def test_code_of_no_resource_is_refused() -> None:
    with pytest.raises(ValueError, match="one class with a tfResourceType"):
        Module("class Other extends cdktn.ComplexObject {\n}\n")


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    schema = ProviderSchema(
        version="8.7.0",
        source="wheel",
        provider=Block(),
        resources={"google_bucket": BLOCK},
        data_sources={"google_project": Block()},
    )
    write(schema, tmp_path / "schema.json")
    assert ProviderSchema.model_validate_json((tmp_path / "schema.json").read_bytes()) == schema


def test_the_schema_holds_the_types_that_were_asked_for() -> None:
    asked = set(TYPES_FILE.read_text(encoding="utf-8").split())
    schema = google_schema()
    assert {*schema.resources, *(f"data.{name}" for name in schema.data_sources)} == asked
