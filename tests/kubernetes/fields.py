"""Who owns which field: the sets of server-side apply, merging, and conflicts, by the list types of the schema."""

import copy
import json
from collections.abc import Iterable
from typing import Any

from tests.kubernetes.schema import METADATA, Schema, _below

Path = tuple[str, ...]
"""`f:name` into a mapping, `k:{...}` to an item of a list by its keys, `v:...` to an item of a set."""
UNOWNED = {("f:apiVersion",), ("f:kind",)}
IDENTITY = ("name", "namespace", "resourceVersion", "uid", "generation", "creationTimestamp", "managedFields")


def owned(schema: Schema, value: dict[str, Any], *, whole: bool = False) -> set[Path]:
    """The leaves of an object, without what identifies it; `whole` with what holds them, as an update has."""
    metadata = {key: inner for key, inner in value.get("metadata", {}).items() if key not in IDENTITY}
    rest = {key: inner for key, inner in value.items() if key not in {"apiVersion", "kind", "metadata"}}
    found = leaves(schema, rest | ({"metadata": metadata} if metadata else {})) - {()}
    if not whole:
        return found
    above = {path[:end] for path in found for end in range(1, len(path))}
    return found | {path for path in above if path != ("f:metadata",) and path[-1].startswith("f:")}


def leaves(schema: Schema, value: Any, path: Path = ()) -> set[Path]:
    """The paths of all that can be owned by itself."""
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        inner = [leaves(_below(schema, key) or METADATA, part, (*path, f"f:{key}")) for key, part in value.items()]
        return set().union(*inner) if inner else {path}
    if isinstance(value, list) and _list_type(schema) != "atomic":
        items = schema.get("items", METADATA)
        found = {path} if not value else set()
        for part in value:
            step = _step(schema, part)
            found |= {(*path, step)} | (leaves(items, part, (*path, step)) if step.startswith("k:") else set())
        return found
    return {path}


def at(schema: Schema, value: Any, path: Path) -> Any:
    """The value at a path, None where there is none."""
    for step in path:
        if step.startswith("f:"):
            value = value.get(step[2:]) if isinstance(value, dict) else None
            schema = _below(schema, step[2:]) or METADATA
        else:
            items = value if isinstance(value, list) else []
            value = next((item for item in items if _step(schema, item) == step), None)
            schema = schema.get("items", METADATA)
    return value


def merged(schema: Schema, live: Any, applied: Any) -> Any:
    """What is applied, laid over what is there."""
    if isinstance(live, dict) and isinstance(applied, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        both = {key: merged(_below(schema, key) or METADATA, live.get(key), part) for key, part in applied.items()}
        return live | both
    if isinstance(live, list) and isinstance(applied, list) and _list_type(schema) != "atomic":
        items, known = schema.get("items", METADATA), {_step(schema, part): part for part in live}
        for part in applied:
            step = _step(schema, part)
            known[step] = merged(items, known.get(step), part)
        return list(known.values())
    return copy.deepcopy(applied) if isinstance(applied, dict | list) else applied


def without(schema: Schema, value: Any, paths: Iterable[Path]) -> Any:
    """The object without what stands at some paths; mappings that become empty go as well."""
    gone = list(paths)
    found = copy.deepcopy(value) if gone else value
    for path in sorted(gone, key=len, reverse=True):
        _drop(schema, found, path)
    return found


def _drop(schema: Schema, value: Any, path: Path) -> None:
    first, *rest = path
    if first.startswith("f:"):
        if not isinstance(value, dict) or first[2:] not in value:
            return
        if rest:
            _drop(_below(schema, first[2:]) or METADATA, value[first[2:]], tuple(rest))
        if not rest or value[first[2:]] in ({}, []):
            del value[first[2:]]
    elif isinstance(value, list):
        for item in [item for item in value if _step(schema, item) == first]:
            if rest:
                _drop(schema.get("items", METADATA), item, tuple(rest))
            else:
                value.remove(item)


def encoded(paths: Iterable[Path]) -> dict[str, Any]:
    """As `fieldsV1` has them."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _trimmed(root)


def _trimmed(node: dict[str, Any]) -> dict[str, Any]:
    """A dot says that a mapping or an item is owned itself, where parts of it are too; alone it says nothing."""
    if set(node) == {"."}:
        return {}
    return {step: inner if step == "." else _trimmed(inner) for step, inner in node.items()}


def _list_type(schema: Schema) -> str:
    return str(schema.get("x-kubernetes-list-type", "atomic"))


def _step(schema: Schema, item: Any) -> str:
    if _list_type(schema) == "set":
        return f"v:{json.dumps(item)}"
    keys = schema.get("x-kubernetes-list-map-keys", ["name"])
    return f"k:{json.dumps({key: item.get(key) for key in keys} if isinstance(item, dict) else item, sort_keys=True)}"
