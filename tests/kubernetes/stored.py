"""An object as it is kept, with who owns what of it, and what becomes of one that is patched."""

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

from tests.kubernetes import fields
from tests.kubernetes.fields import Path
from tests.kubernetes.kinds import Kind

Object = dict[str, Any]
Manager = tuple[str, str, str]
"""(name, Apply | Update, subresource)."""


@dataclass
class Stored:
    """An object and who owns what of it."""

    object: Object
    managers: dict[Manager, tuple[set[Path], str]] = field(default_factory=dict)
    _shown: dict[str, Object] = field(default_factory=dict, repr=False)
    _told: dict[str, str] = field(default_factory=dict, repr=False)

    def told(self, kind: Kind) -> str:
        """The same as JSON. Kept, for what is stored never changes: a write stores another one."""
        if kind.api_version not in self._told:
            self._told[kind.api_version] = json.dumps(self.shown(kind))
        return self._told[kind.api_version]

    def shown(self, kind: Kind) -> Object:
        """As the API gives it in a version of its kind; not to be changed."""
        if kind.api_version not in self._shown:
            self._shown[kind.api_version] = self._whole(kind)
        return self._shown[kind.api_version]

    def _whole(self, kind: Kind) -> Object:
        listed = [
            {"manager": name, "operation": operation, "apiVersion": kind.api_version, "time": time,
             "fieldsType": "FieldsV1", "fieldsV1": fields.encoded(paths)} | ({"subresource": sub} if sub else {})
            for (name, operation, sub), (paths, time) in self.managers.items() if paths
        ]  # fmt: skip
        metadata = self.object["metadata"] | ({"managedFields": listed} if listed else {})
        return self.object | {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def merge_patched(live: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merge_patched(found.get(key), value)
    return found


def now() -> str:
    """As the API writes a time."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def metadata_kept(old: Object, whole: Object) -> Object:
    """Metadata of an update, with what no update changes."""
    fixed = ("uid", "creationTimestamp", "generation", "name", "namespace", "resourceVersion")
    return whole.get("metadata", {}) | {key: old["metadata"][key] for key in fixed if key in old["metadata"]}
