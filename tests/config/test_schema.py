"""The JSON Schema is the committed one, describes every key, and the example shows every key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.schema import json_schema
from config.source import parse, plain

CONFIG = Path(__file__).parents[2] / "config"
SCHEMA = json_schema()
EXAMPLE = [
    plain(root.node)
    for folder in ("example", "meshes")
    for path in sorted((CONFIG / folder).glob("*.yaml"))
    for root in parse(path.read_bytes()).roots
]


def keys_of(name: str) -> Iterator[tuple[str, str]]:
    """(model, key) of a model of the schema."""
    return ((name, key) for key in SCHEMA["$defs"][name].get("properties", {}))


def shown(value: Any, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(model, key) of every key that a value uses, by walking value and schema together."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from ((name, key) for key in value) if isinstance(value, dict) else ()
        yield from shown(value, SCHEMA["$defs"][name])
        return
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if branch.get("type") != "null":
            yield from shown(value, branch)
    for item in value if isinstance(value, list) else ():
        yield from shown(item, schema.get("items", {}))
    for key, part in value.items() if isinstance(value, dict) else ():
        properties = schema.get("properties", {})
        more = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        yield from shown(part, properties[key]) if key in properties else shown(part, more or {})


def test_schema_is_the_committed_one() -> None:
    """After a change of the documents: `make schema`, and look at the difference."""
    assert json.loads((CONFIG / "schema.json").read_text()) == SCHEMA


@pytest.mark.parametrize("name", sorted(SCHEMA["$defs"]))
def test_schema_describes_every_key(name: str) -> None:
    model = SCHEMA["$defs"][name]
    mute = [key for key, about in model["properties"].items() if not {"description", "$ref"} & about.keys()]

    assert model["description"]
    assert not model["additionalProperties"]
    assert set(mute) <= {"apiVersion", "kind"}


def test_example_shows_every_key() -> None:
    seen = {use for document in EXAMPLE for use in shown(document, {"$ref": f"#/$defs/{document['kind']}"})}

    assert {use for name in SCHEMA["$defs"] for use in keys_of(name)} - seen == set()
