"""How the API says no: every refusal as an API server words it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.kubernetes.fields import Path
from tests.kubernetes.kinds import Kind
from tests.kubernetes.schema import Fault

SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
NO_NAME = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"
)
MEDIA = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"


class ApiError(Exception):
    """A Status that is no success."""

    def __init__(
        self, code: int, reason: str, message: str, causes: list[dict[str, str]] | None = None, *, plain: bool = False
    ) -> None:
        super().__init__(message)
        self.code, self.reason, self.causes, self.plain = code, reason, causes or [], plain
        """`plain` where it is said in plain words and in no Status."""


def status_of(no: ApiError) -> dict[str, Any]:
    """As the API says no."""
    said = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": str(no)}
    said |= {"reason": no.reason} if no.reason else {}
    return said | ({"details": {"causes": no.causes}} if no.causes else {}) | {"code": no.code}


def gone(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """As the API says that an object is deleted."""
    details = {"name": name, "group": kind.group, "kind": kind.plural, "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def plural(kind: Kind) -> str:
    """`httproutes.gateway.networking.k8s.io`."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def missing(kind: Kind, name: str) -> ApiError:
    """There is none of this name."""
    return ApiError(404, "NotFound", f'{plural(kind)} "{name}" not found')


def invalid(what: str, name: str, faults: Iterable[Fault]) -> ApiError:
    """What is wrong with an object; `what` is its kind and group."""
    found = list(faults)
    causes = [{"reason": fault.reason, "message": fault.words, "field": fault.field} for fault in found]
    listed = [f"{fault.field}: {fault.words}" for fault in found]
    words = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    return ApiError(422, "Invalid", f'{what} "{name}" is invalid: {words}', causes)


def kind_and_group(kind: Kind) -> str:
    """`HTTPRoute.gateway.networking.k8s.io`."""
    return f"{kind.kind}.{kind.group}" if kind.group else kind.kind


def bad_name(kind: Kind, name: str) -> ApiError:
    """A name that is none."""
    return invalid(
        kind_and_group(kind), name, [Fault("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {NO_NAME}')]
    )


def no_manager() -> ApiError:
    """Server-side apply by nobody."""
    words = "Required value: is required for apply patch"
    return invalid("PatchOptions.meta.k8s.io", "", [Fault("fieldManager", "FieldValueRequired", words)])


def unversioned(kind: Kind, name: str) -> ApiError:
    """An update that names no version, of a kind that wants one."""
    words = "Invalid value: 0: must be specified for an update"
    return invalid(plural(kind), name, [Fault("metadata.resourceVersion", "FieldValueInvalid", words)])


def stale(kind: Kind, name: str) -> ApiError:
    """The version that a write names is not the newest."""
    return ApiError(
        409, "Conflict", f'Operation cannot be fulfilled on {plural(kind)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again",
    )  # fmt: skip


def untyped(kind: Kind, given: Mapping[str, Any], name: str, fault: str) -> ApiError:
    """Server-side apply of what does not fit the schema: a status 500 without a reason, though it is no accident."""
    where = f"{given.get('metadata', {}).get('namespace', '')}/{name}"
    version = f"{kind.group}/{kind.version}, Kind={kind.kind}"
    return ApiError(500, "", f"failed to create typed patch object ({where}; {version}): {fault}")


def strange(fault: str, patched: object = None) -> ApiError:
    """A field that the schema does not have, where fields are held against it."""
    words = f'strict decoding error: unknown field "{fault}"'
    if patched is None:
        return ApiError(400, "BadRequest", words)
    said = f"Invalid value: {json.dumps(json.dumps(patched))}: {words}"
    return ApiError(422, "Invalid", f' "" is invalid: patch: {said}', [
        {"reason": "FieldValueInvalid", "message": said, "field": "patch"}
    ])  # fmt: skip


def conflict(others: Mapping[str, list[Path]]) -> ApiError:
    """Fields of other managers that an apply would change."""
    each = sorted((dotted(path), who) for who, paths in others.items() for path in paths)
    causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": at} for at, who in each]
    if len(causes) == 1:
        words = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        listed = (
            f"conflicts with {who}:" + "".join(f"\n- {dotted(path)}" for path in paths)
            for who, paths in sorted(others.items())
        )
        words = f"{len(causes)} conflicts: " + "\n".join(listed)
    return ApiError(409, "Conflict", f"Apply failed with {words}", causes)


def forbidden(kind: Kind, user: str, verb: str, namespace: str, name: str, sub: str) -> ApiError:
    """A right that is not there."""
    what = f'{plural(kind)} "{name}"' if name else plural(kind)
    resource = f"{kind.plural}/{sub}" if sub else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return ApiError(
        403, "Forbidden", f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group '
        f'"{kind.group}" {where}',
    )  # fmt: skip


def dotted(path: Path) -> str:
    """`.spec.rules`, `.spec.containers[name="x"]`."""
    return "".join(f".{step[2:]}" if step.startswith("f:") else _bracketed(step) for step in path)


def _bracketed(step: str) -> str:
    value = json.loads(step[2:])
    if isinstance(value, dict):
        return f"[{','.join(f'{k}={json.dumps(v)}' for k, v in value.items())}]"
    return f"[={step[2:]}]"
