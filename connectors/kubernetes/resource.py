"""Kinds of objects and their place in the API, and careful ways to look into an object that somebody else wrote."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

Manifest = dict[str, Any]
"""An object of the API as JSON has it."""


@dataclass(frozen=True, slots=True, order=True)
class Resource:
    """One kind of object, in one version."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`gateway.networking.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of the collection, or of one object of it."""
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        parts += ["namespaces", namespace] if self.namespaced and namespace else []
        parts += [self.plural, *([name] if name else []), *([subresource] if subresource else [])]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    def blank(self, namespace: str, name: str, **fields: Any) -> Manifest:
        """An object with this name and these fields."""
        metadata = {"name": name} | ({"namespace": namespace} if self.namespaced else {})
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata, **fields}


CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")


def mapping(value: object, *keys: str) -> Mapping[str, Any]:
    """The mapping below some keys; empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def entries(value: object, *keys: str) -> list[Mapping[str, Any]]:
    """The mappings in the list below some keys; empty where there is none."""
    *path, last = keys
    found = mapping(value, *path).get(last)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def text(value: object, *keys: str) -> str:
    """The text below some keys; empty where there is none."""
    *path, last = keys
    found = mapping(value, *path).get(last)
    return found if isinstance(found, str) else ""


def whole_number(value: object) -> int | None:
    """An integer that is none of Python's booleans."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def named(manifest: Mapping[str, Any]) -> str:
    """`HTTPRoute shop/storefront`."""
    where = "/".join(
        part for part in (text(manifest, "metadata", "namespace"), text(manifest, "metadata", "name")) if part
    )
    return f"{text(manifest, 'kind') or 'object'} {where}"


def covers(live: object, wanted: object) -> bool:
    """Whether an object has everything that we want of it. A server adds defaults to mappings, never to lists."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and covers(live[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(live, list) and len(live) == len(wanted) and all(map(covers, live, wanted))
    return bool(live == wanted)


def differing(live: object, wanted: object, path: str = "") -> Iterator[str]:
    """The paths at which an object is not what we want of it."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            yield from differing(live.get(key), value, f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(live, list) and len(live) == len(wanted):
        for row, value in enumerate(wanted):
            yield from differing(live[row], value, f"{path}[{row}]")
    elif not covers(live, wanted):
        yield path
