"""What the stand-in remembers: objects, their versions, who owns which field, and what happened since."""

import asyncio
import bisect
import copy
import operator
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import jsonpatch

from tests.kubernetes import answers, fields
from tests.kubernetes.answers import ApiError
from tests.kubernetes.fields import Path
from tests.kubernetes.kinds import BUILT_IN, Kind, kinds_of
from tests.kubernetes.schema import defaulted, faults, pruned, unknown, untyped
from tests.kubernetes.selection import selected
from tests.kubernetes.stored import Manager, Object, Stored, merge_patched, metadata_kept, now

Event = tuple[int, str, tuple[str, str], Stored, Stored | None]
"""(version, ADDED | MODIFIED | DELETED, kind as stored, what became of the object, what it was before)."""
EVENTS_MAX = 4_000
"""Older ones are forgotten, as a watch cache does: who watches from before is told 410."""
Review = Callable[[Kind, str, Object, Object | None], None]
"""Admission of (kind, CREATE | UPDATE, object, old object): raises ApiError."""


class Store:
    """All objects of a cluster. Not a database: one process, one thread."""

    def __init__(self) -> None:
        self.kinds: dict[tuple[str, str, str], Kind] = {(k.group, k.version, k.plural): k for k in BUILT_IN}
        self.objects: dict[tuple[str, str], dict[tuple[str, str], Stored]] = {}
        """By (group, plural), and by (namespace, name)."""
        self.version = 100
        self.forgotten = 0
        """Events up to this version are gone: a watch from before is told 410."""
        self.events: list[Event] = []
        self.reviews: list[Review] = []
        self.changed = asyncio.Condition()
        self.loudness: set[asyncio.Task[None]] = set()
        self.writes = 0
        for name in ("default", "kube-system"):
            metadata = {"name": name, "uid": name, "resourceVersion": str(self.version)}
            self.of("", "namespaces")["", name] = Stored({"metadata": metadata})

    def of(self, group: str, plural: str) -> dict[tuple[str, str], Stored]:
        """All objects of a kind."""
        return self.objects.setdefault((group, plural), {})

    def since(self, version: int) -> list[Event]:
        """What happened after it, as far as it is remembered."""
        return self.events[bisect.bisect_right(self.events, version, key=operator.itemgetter(0)) :]

    def forget(self) -> None:
        """Compaction: what happened before now is no longer told."""
        self.forgotten = self.version
        self.events.clear()

    def kind(self, group: str, version: str, plural: str) -> Kind:
        """ApiError 404 for one that is not served."""
        try:
            return self.kinds[group, version, plural]
        except KeyError:
            if any((group, version) == known[:2] for known in self.kinds):
                raise ApiError(404, "NotFound", "the server could not find the requested resource") from None
            raise ApiError(404, "NotFound", "404 page not found", plain=True) from None

    def get(self, kind: Kind, namespace: str, name: str) -> Stored:
        """ApiError 404 where there is none."""
        found = self.of(*kind.storage).get((namespace, name))
        if found is None:
            raise answers.missing(kind, name)
        return found

    def listed(self, kind: Kind, namespace: str, selector: str) -> list[Stored]:
        """In the order of their names."""
        fits = selected(selector)
        rows = sorted(self.of(*kind.storage).items(), key=lambda row: row[0])
        return [s for key, s in rows if (not namespace or key[0] == namespace) and fits(s.object)]

    def create(self, kind: Kind, namespace: str, given: Object, manager: str, query: Mapping[str, str]) -> Object:
        """ApiError 409 where there is one of this name."""
        name = given.get("metadata", {}).get("name", "")
        if (namespace, name) in self.of(*kind.storage):
            raise ApiError(409, "AlreadyExists", f'{answers.plural(kind)} "{name}" already exists')
        whole = self._sound(kind, name, given, query)
        whole.pop("status", None) if kind.status else None
        stored = Stored(self._born(kind, namespace, whole))
        mine = fields.owned(kind.schema, whole, whole=True)
        stored.managers |= {(manager, "Update", ""): (mine, now())} if mine else {}
        return self._keep(kind, namespace, stored, None, query)

    def replace(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        given: Object,
        manager: str,
        query: Mapping[str, str],
        sub: str = "",
        patched: bool = False,
    ) -> Object:
        """PUT, or the outcome of a patch. ApiError 409 for a version that is not the newest."""
        old = self.get(kind, namespace, name)
        if kind.custom and not given.get("metadata", {}).get("resourceVersion"):
            raise answers.unversioned(kind, name)
        self._same_version(kind, old, given)
        whole = self._sound(kind, name, given, query, old.object, patched=patched)
        if kind.status:
            kept = old.object if sub == "status" else whole
            status = whole.get("status") if sub == "status" else old.object.get("status")
            whole = {k: v for k, v in kept.items() if k != "status"} | (
                {"status": status} if status is not None else {}
            )
        whole["metadata"] = metadata_kept(old.object, whole)
        managers = self._touched(kind, old, whole, (manager, "Update", sub))
        return self._keep(kind, namespace, Stored(whole, managers), old, query)

    def apply(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        given: Object,
        manager: str,
        query: Mapping[str, str],
        sub: str = "",
    ) -> Object:
        """Server-side apply. ApiError 409 that names the managers of fields that would change, unless forced."""
        old = self._applicable(kind, namespace, name, given, manager)
        wanted = dict(pruned(kind.schema, given))
        mine = fields.owned(kind.schema, wanted)
        base = old.object if old else {"metadata": {}}
        me = (manager, "Apply", sub)
        managers = dict(old.managers) if old else {}
        others = self._conflicts(kind, base, wanted, mine, managers, me)
        if others and query.get("force") != "true":
            raise answers.conflict(others)
        before, _ = managers.get(me, (set(), ""))
        kept = set().union(*(paths for who, (paths, _) in managers.items() if who != me)) if managers else set()
        body = fields.without(kind.schema, base, before - mine - kept)
        whole = fields.merged(kind.schema, body, {k: v for k, v in wanted.items() if k != "metadata"})
        given_meta = {k: v for k, v in wanted.get("metadata", {}).items() if k not in fields.IDENTITY}
        whole["metadata"] = fields.merged({}, body.get("metadata", {}), given_meta)
        whole = self._sound(kind, name, whole, query, base if old else None)
        for who, (paths, time) in managers.items():
            if who != me:
                managers[who] = (paths - set().union(*others.values()), time)
        managers[me] = (mine, now())
        if old is None:
            whole.pop("status", None) if kind.status else None
            return self._keep(kind, namespace, Stored(self._born(kind, namespace, whole, name), managers), None, query)
        if kind.status and sub != "status" and "status" in old.object:
            whole["status"] = old.object["status"]
        whole["metadata"] = metadata_kept(old.object, whole)
        return self._keep(kind, namespace, Stored(whole, managers), old, query)

    def patched(self, kind: Kind, namespace: str, name: str, patch: Any, merge: bool) -> Object:
        """The object with a patch; ApiError 422 where a `test` in it fails."""
        live = self.get(kind, namespace, name).shown(kind)
        live = live | {"metadata": {k: v for k, v in live["metadata"].items() if k != "managedFields"}}
        if merge:
            return merge_patched(live, patch)
        try:
            return dict(jsonpatch.JsonPatch(patch).apply(copy.deepcopy(live)))
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
            message = "the server rejected our request due to an error in our request"
            raise ApiError(422, "Invalid", message) from None

    def delete(self, kind: Kind, namespace: str, name: str, query: Mapping[str, str]) -> Object:
        """Gone at once: no finalizers here."""
        old = self.get(kind, namespace, name)
        if "dryRun" not in query:
            del self.of(*kind.storage)[namespace, name]
            self.version += 1
            metadata = old.object["metadata"] | {"resourceVersion": str(self.version)}
            self._tell("DELETED", kind, Stored(old.object | {"metadata": metadata}, old.managers), old)
        return answers.gone(kind, name, old.object["metadata"]["uid"])

    def _applicable(self, kind: Kind, namespace: str, name: str, given: Object, manager: str) -> Stored | None:
        """What is there to be applied to; ApiError for a manifest that cannot be applied to anything."""
        metadata = given.get("metadata", {})
        if not manager:
            raise answers.no_manager()
        if "managedFields" in metadata:
            raise ApiError(400, "BadRequest", "metadata.managedFields must be nil")
        if metadata.get("name", name) != name:
            words = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise ApiError(400, "BadRequest", words)
        if given.get("kind") != kind.kind or given.get("apiVersion") != kind.api_version:
            group, _, version = str(given.get("apiVersion", "")).rpartition("/")
            raise ApiError(400, "BadRequest", f"invalid object type: {group}/{version}, Kind={given.get('kind', '')}")
        fault = next(untyped(kind.schema, given), "")
        if fault:
            raise answers.untyped(kind, given, name, fault)
        old = self.of(*kind.storage).get((namespace, name))
        if old is not None:
            self._same_version(kind, old, given)
        return old

    def _sound(
        self, kind: Kind, name: str, given: Object, query: Mapping[str, str], old: Object | None = None, *,
        patched: bool = False,
    ) -> Object:  # fmt: skip
        """With defaults, without unknown fields; ApiError for what its schema or its kind does not allow."""
        named = given | {"kind": kind.kind, "apiVersion": kind.api_version}
        strange = next(unknown(kind.schema, named), "")
        if strange and query.get("fieldValidation") == "Strict":
            raise answers.strange(strange, given if patched else None)
        if not re.fullmatch(answers.SUBDOMAIN, name) and kind.group != "rbac.authorization.k8s.io":
            raise answers.bad_name(kind, name)
        whole = dict(defaulted(kind.schema, pruned(kind.schema, named)))
        whole = {key: value for key, value in whole.items() if value or key not in kind.omits}
        wrong = faults(kind.schema, whole, old) or (kind.rules(whole) if kind.rules else [])
        if wrong:
            raise answers.invalid(answers.kind_and_group(kind), name, wrong)
        return whole

    def _same_version(self, kind: Kind, old: Stored, given: Object) -> None:
        said = given.get("metadata", {}).get("resourceVersion")
        if said and said != old.object["metadata"]["resourceVersion"]:
            raise answers.stale(kind, old.object["metadata"]["name"])

    def _conflicts(
        self, kind: Kind, base: Object, wanted: Object, mine: set[Path],
        managers: Mapping[Manager, tuple[set[Path], str]], me: Manager,
    ) -> dict[str, list[Path]]:  # fmt: skip
        found: dict[str, list[Path]] = {}
        for who, (paths, _) in managers.items():
            if who == me:
                continue
            differs = [
                path for path in sorted(paths & mine)
                if fields.at(kind.schema, wanted, path) not in (fields.at(kind.schema, base, path), {})
            ]  # fmt: skip
            if differs:
                found[f'"{who[0]}"' if who[1] == "Apply" else f'"{who[0]}" using {kind.api_version}'] = differs
        return found

    def _touched(self, kind: Kind, old: Stored, whole: Object, me: Manager) -> dict[Manager, tuple[set[Path], str]]:
        """Ownership after an update: what changed is whose who changed it."""
        before, after = (fields.owned(kind.schema, thing, whole=True) for thing in (old.object, whole))
        leaves = fields.owned(kind.schema, whole)
        changed = {p for p in leaves if fields.at(kind.schema, old.object, p) != fields.at(kind.schema, whole, p)}
        changed |= after - leaves - before
        gone = before - after
        managers = {who: (paths - changed - gone, time) for who, (paths, time) in old.managers.items()}
        if changed:
            mine, _ = managers.get(me, (set(), ""))
            managers[me] = (mine | changed, now())
        return {who: entry for who, entry in managers.items() if entry[0]}

    def _born(self, kind: Kind, namespace: str, whole: Object, name: str = "") -> Object:
        metadata = whole["metadata"] | {
            "uid": str(uuid.UUID(int=self.version)),
            "creationTimestamp": now(),
        }
        metadata |= {"generation": 1} if kind.generations else {}
        metadata |= {"name": name} if name else {}
        metadata |= {"namespace": namespace} if kind.namespaced else {}
        metadata.pop("resourceVersion", None)
        return whole | {"metadata": metadata}

    def _keep(self, kind: Kind, namespace: str, new: Stored, old: Stored | None, query: Mapping[str, str]) -> Object:
        """Admission, generation, version, event; nothing of it where nothing changed or it is a dry run."""
        if kind.namespaced and old is None and ("", namespace) not in self.of("", "namespaces"):
            raise answers.missing(self.kinds["", "v1", "namespaces"], namespace)
        for review in self.reviews:
            review(kind, "UPDATE" if old else "CREATE", new.object, old.object if old else None)
        metadata = new.object["metadata"]
        if old is not None:
            body = [{k: v for k, v in o.items() if k not in {"metadata", "status"}} for o in (old.object, new.object)]
            if kind.generations:
                metadata["generation"] = old.object["metadata"]["generation"] + (body[0] != body[1])
            same = {k: v for k, v in metadata.items() if k != "resourceVersion"} == {
                k: v for k, v in old.object["metadata"].items() if k != "resourceVersion"
            }
            unchanged = same and {k: v for k, v in new.object.items() if k != "metadata"} == {
                k: v for k, v in old.object.items() if k != "metadata"
            }
            if unchanged and {w: e[0] for w, e in new.managers.items()} == {w: e[0] for w, e in old.managers.items()}:
                return old.shown(kind)
        if "dryRun" in query:
            metadata.setdefault("resourceVersion", str(self.version))
            return new.shown(kind)
        self.version += 1
        self.writes += 1
        metadata["resourceVersion"] = str(self.version)
        self.of(*kind.storage)[namespace if kind.namespaced else "", metadata["name"]] = new
        if kind.plural == "customresourcedefinitions":
            self._define(new.object)
        self._tell("MODIFIED" if old else "ADDED", kind, new, old)
        return new.shown(kind)

    def _define(self, definition: Object) -> None:
        for kind in kinds_of(definition):
            self.kinds[kind.group, kind.version, kind.plural] = kind
        definition["status"] = {"conditions": [{"type": "Established", "status": "True"}]}

    def _tell(self, what: str, kind: Kind, stored: Stored, before: Stored | None) -> None:
        self.events.append((self.version, what, kind.storage, stored, before))
        if len(self.events) > EVENTS_MAX:
            self.forgotten = self.events[EVENTS_MAX // 2 - 1][0]
            del self.events[: EVENTS_MAX // 2]

        async def wake() -> None:
            async with self.changed:
                self.changed.notify_all()

        task = asyncio.ensure_future(wake())
        self.loudness.add(task)
        task.add_done_callback(self.loudness.discard)
