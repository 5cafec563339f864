"""What a structural OpenAPI schema does to an object: unknown fields, defaults, validation, CEL rules."""

import copy
import functools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

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


class Fault(NamedTuple):
    """What is wrong with one field."""

    field: str
    reason: str
    words: str


BLOCKING = {"required", "type", "maxItems", "maxLength", "maxProperties"}
"""What keeps a server from running the rules of a schema."""
UNCHECKED = Fault(
    "<nil>", "FieldValueInvalid", "Invalid value: null: some validation rules were not checked because the object was "
    "invalid; correct the existing errors to complete validation",
)  # fmt: skip


def faults(schema: Schema, value: Any, old: Any = None) -> list[Fault]:
    """What is wrong with an object, in the words of the API server as far as they matter."""
    parts = [(key, below, value[key]) for key, below in schema.get("properties", {}).items() if key in value]
    found = [
        *_unfit(_shallow(schema), "", json.dumps(dict.fromkeys(value))),
        *(fault for key, below, part in parts for fault in _unfit(Same(below), key, json.dumps(part))),
    ]
    if any(blocks for _, blocks in found) and _has(Same(schema), RULES):
        found.append((UNCHECKED, True))
    broken = _broken(schema, value, old) if not found else ()
    return [fault for fault, _ in found] or [
        Fault(where, "FieldValueInvalid", f"Invalid value: {message}") for where, message in broken
    ]


class Same:
    """A schema, known by its identity: what is made of it is kept as long as it is."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.schema is self.schema


SHALLOW: dict[Same, Same] = {}


def _shallow(schema: Schema) -> Same:
    """The same without what it says of each field: those are looked at one by one."""
    if Same(schema) not in SHALLOW:
        SHALLOW[Same(schema)] = Same({k: v for k, v in schema.items() if k != "properties"})
    return SHALLOW[Same(schema)]


@functools.lru_cache(maxsize=1024)
def _unfit(schema: Same, field: str, text: str) -> tuple[tuple[Fault, bool], ...]:
    """(what is wrong, whether it blocks rules) in a field; kept, for most of what is written was judged before."""
    found = []
    for error in _validator(schema).iter_errors(json.loads(text)):
        where = field + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
        found.append((_fault(where.lstrip("."), error), error.validator in BLOCKING))
    return tuple(sorted(found))


def _broken(schema: Schema, value: Any, old: Any) -> Iterator[tuple[str, str]]:
    """`broken_rules` of an object: field by field, where the whole has no rules of its own."""
    if RULES in schema:
        yield from broken_rules(schema, value, old)
        return
    for key, below in schema.get("properties", {}).items():
        if key in value and _has(Same(below), RULES):
            before = old.get(key) if isinstance(old, dict) and _has(Same(below), "oldSelf") else None
            yield from _broken_field(Same(below), key, json.dumps(value[key]), json.dumps(before))


@functools.lru_cache(maxsize=1024)
def _broken_field(schema: Same, key: str, text: str, before: str) -> tuple[tuple[str, str], ...]:
    return tuple(broken_rules(schema.schema, json.loads(text), json.loads(before), f".{key}"))


@functools.lru_cache(maxsize=65536)
def _has(schema: Same, word: str) -> bool:
    """Whether it speaks of rules, or of what was before, anywhere below."""
    return word in json.dumps(schema.schema)


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
        return bool(program(rule).execute(scope))
    except Exception:
        return None


@functools.lru_cache(maxsize=4096)
def program(rule: str) -> cel.Program:
    """A CEL expression, compiled once."""
    return cel.compile(rule)


def _below(schema: Schema, key: str) -> Schema | None:
    """The schema of a field; None where the field is unknown."""
    properties, more = schema.get("properties", {}), schema.get("additionalProperties")
    if key in properties:
        found: Schema = properties[key]
        return found
    if isinstance(more, dict):
        return more
    return METADATA if more is True or schema.get(PRESERVE) or "properties" not in schema else None


@functools.lru_cache(maxsize=1024)
def _validator(schema: Same) -> Any:
    return jsonschema.Draft202012Validator(_plain(schema.schema))


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


def _fault(where: str, error: Any) -> Fault:
    """One error of the validator as the API server has it."""
    limit, instance = error.validator_value, error.instance
    at = where or "<nil>"
    shown = f"Invalid value: {json.dumps(instance)[:80]}: {at} in body"
    if error.validator == "required":
        name = next(name for name in limit if name not in instance and f"'{name}'" in error.message)
        return Fault(f"{where}.{name}".lstrip("."), "FieldValueRequired", "Required value")
    if error.validator == "maxItems":
        return Fault(at, "FieldValueTooMany", f"Too many: {len(instance)}: must have at most {limit} items")
    if error.validator == "type":
        got = _named_type(instance)
        words = f'Invalid value: "{got}": {at} in body must be of type {limit}: "{got}"'
        return Fault(at, "FieldValueTypeInvalid", words)
    if error.validator == "enum":
        known = ", ".join(f'"{value}"' for value in limit)
        words = f"Unsupported value: {json.dumps(instance)}: supported values: {known}"
        return Fault(at, "FieldValueNotSupported", words)
    said = {
        "maximum": f"{shown} should be less than or equal to {limit}",
        "minimum": f"{shown} should be greater than or equal to {limit}",
        "pattern": f"{shown} should match '{limit}'",
    }  # fmt: skip
    if error.validator == "minItems":
        said["minItems"] = f"Invalid value: {len(instance)}: {at} in body should have at least {limit} items"
    return Fault(at, "FieldValueInvalid", said.get(error.validator, f"{shown} {error.message}"[:200]))


def _named_type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def untyped(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """What server-side apply objects to before any validation: fields that are not declared, values of another kind."""
    if isinstance(value, dict):
        for key, inner in value.items():
            below = _below(schema, key)
            if below is None:
                yield f"{path}.{key}: field not declared in schema"
            else:
                yield from untyped(below, inner, f"{path}.{key}")
    elif isinstance(value, list):
        for row, inner in enumerate(value):
            yield from untyped(schema.get("items", METADATA), inner, f"{path}[{row}]")
    elif schema.get("type") in {"integer", "number"} and not schema.get(INT_OR_STRING) and isinstance(value, str):
        yield f"{path}: expected numeric (int or float), got string"
    elif schema.get("type") == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        yield f"{path}: expected string, got &value.valueUnstructured{{Value:{value}}}"
