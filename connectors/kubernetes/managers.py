"""Who changed an object last, as its managed fields tell."""

from collections.abc import Mapping
from typing import Any

from connectors.kubernetes.resource import entries, mapping, text


def others(live: Mapping[str, Any], us: str) -> list[str]:
    """`kubectl-edit (Update, 2026-11-20T10:11:12Z)` for everybody else who set something in the spec, newest first."""
    found = [
        (text(entry, "time"), text(entry, "manager"), text(entry, "operation"))
        for entry in entries(live, "metadata", "managedFields")
        if text(entry, "manager") != us and not text(entry, "subresource") and "f:spec" in mapping(entry, "fieldsV1")
    ]
    return [f"{manager} ({operation}, {time})" for time, manager, operation in sorted(found, reverse=True)]


def declared_by_others(live: Mapping[str, Any], us: str) -> bool:
    """Whether somebody else holds a part of the spec by server-side apply: a tool that would take it back again.

    A change by an update is no claim: it was made once, by hand or by a script.
    """
    return any(
        text(entry, "manager") != us and text(entry, "operation") == "Apply" and "f:spec" in mapping(entry, "fieldsV1")
        for entry in entries(live, "metadata", "managedFields")
    )
