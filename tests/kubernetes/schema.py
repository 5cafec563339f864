"""What a structural OpenAPI schema does to an object: unknown fields, defaults, validation, CEL rules."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import cel
import jsonschema

Schema = dict[str, Any]
PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
RULES = "x-kubernetes-validations"
METADATA: Schema = {"type": "object", PRESERVE: True}


def with_envelope(schema: Schema) -> Schema:
    """A CRD's schema with what every object has."""
    properties = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
    return schema | {"properties": schema.get("properties", {}) | properties}


def unknown(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """The fields that the schema does not have."""
    if isinstance(value, dict):
        for key, inner in value.items():
            where, known = f"{path}.{key}" if path else key, _below(schema, key)
            if known is None:
                yield where
            else:
                yield from unknown(known, inner, where)
    elif isinstance(value, list):
        for row, inner in enumerate(value):
            yield from unknown(schema.get("items", METADATA), inner, f"{path}[{row}]")


def pruned(schema: Schema, value: Any) -> Any:
    """Without the fields that the schema does not have."""
    if isinstance(value, dict):
        known = ((key, _below(schema, key), inner) for key, inner in value.items())
        return {key: pruned(below, inner) for key, below, inner in known if below is not None}
    if isinstance(value, list):
        return [pruned(schema.get("items", METADATA), inner) for inner in value]
    return value


def defaulted(schema: Schema, value: Any) -> Any:
    """With the defaults of the schema where a field is missing."""
    if isinstance(value, dict):
        found = dict(value)
        for key, below in schema.get("properties", {}).items():
            if key not in found and "default" in below:
                found[key] = copy.deepcopy(below["default"])
        return {key: defaulted(_below(schema, key) or METADATA, inner) for key, inner in found.items()}
    if isinstance(value, list):
        return [defaulted(schema.get("items", METADATA), inner) for inner in value]
    return value


def faults(schema: Schema, value: Any, old: Any = None) -> list[str]:
    """What is wrong with an object, in the words of the API server as far as they matter."""
    found = []
    for error in _validator(schema).iter_errors(value):
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path).lstrip(".") or "<nil>"
        found.append(f"{where}: Invalid value: {json.dumps(error.instance)[:80]}: {where} in body {_said(error)}")
    return found or [f"{where}: Invalid value: {message}" for where, message in broken_rules(schema, value, old)]


def broken_rules(schema: Schema, value: Any, old: Any = None, path: str = "") -> Iterator[tuple[str, str]]:
    """CEL rules that do not hold. A rule that this evaluator cannot run is passed over: it is a stand-in."""
    for rule in schema.get(RULES, ()):
        if "oldSelf" in rule["rule"] and old is None:
            continue
        if _holds(rule["rule"], {"self": value} | ({"oldSelf": old} if old is not None else {})) is False:
            yield path.lstrip(".") or "<nil>", str(rule.get("message") or f"failed rule: {rule['rule']}")
    if isinstance(value, dict):
        for key, inner in value.items():
            before = old.get(key) if isinstance(old, dict) else None
            yield from broken_rules(_below(schema, key) or {}, inner, before, f"{path}.{key}")
    elif isinstance(value, list):
        for row, inner in enumerate(value):
            yield from broken_rules(schema.get("items", {}), inner, None, f"{path}[{row}]")


def _holds(rule: str, scope: dict[str, Any]) -> bool | None:
    try:
        return bool(cel.evaluate(rule, scope))
    except Exception:
        return None


def _below(schema: Schema, key: str) -> Schema | None:
    """The schema of a field; None where the field is unknown."""
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    if key in properties:
        return dict(properties[key])
    if isinstance(more, dict):
        return more
    return METADATA if more is True or schema.get(PRESERVE) or "properties" not in schema else None


VALIDATORS: dict[int, tuple[Schema, Any]] = {}
"""By the identity of the schema, which is kept so that no other one can take its place."""


def _validator(schema: Schema) -> Any:
    if id(schema) not in VALIDATORS:
        VALIDATORS[id(schema)] = (schema, jsonschema.Draft202012Validator(_plain(schema)))
    return VALIDATORS[id(schema)][1]


def _plain(schema: Any) -> Any:
    """The same as a schema that a validator of JSON Schema reads."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _plain(value) for key, value in schema.items() if not key.startswith("x-") and key != "default"}
    if schema.get(INT_OR_STRING):
        found.pop("type", None)
        found.pop("anyOf", None)
        found["type"] = ["integer", "string"]
    if schema.get("nullable") and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if found.get(exclusive) is True:
            found[exclusive] = found.pop(bound)
        elif found.get(exclusive) is False:
            found.pop(exclusive)
    return found


def _said(error: Any) -> str:
    match error.validator:
        case "maximum":
            return f"should be less than or equal to {error.validator_value}"
        case "minimum":
            return f"should be greater than or equal to {error.validator_value}"
        case "type":
            return f"must be of type {error.validator_value}: {type(error.instance).__name__!r}"
        case "maxItems":
            return f"must have at most {error.validator_value} items"
    return str(error.message)[:200]
