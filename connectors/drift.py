"""Drift: what a mesh has is neither what we last wrote to it nor what we want now, for somebody else was there."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from placement.fleet import OriginId, ServiceId
from placement.weights import Target, WeightTable, table_from_content


class OnDrift(StrEnum):
    """What to do about it."""

    REVERT = "revert"
    """What we last wrote is written again, by the next tick that may write."""
    ADOPT = "adopt"
    """What was found stands from now on: the next plan begins there."""
    IGNORE = "ignore"
    """The service is left alone, and its weights are taken for what we last wrote, until they are so again."""


Row = tuple[tuple[Target, ...], int]
"""The targets of one service, and the weight that is refused."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One service whose weights somebody else changed. The third way, what we want now, is the next table."""

    origin: OriginId
    service: ServiceId
    where: str
    """What holds the weights, in the mesh's own words: `HTTPRoute shop/storefront`."""
    written: Row
    """What we last wrote."""
    found: Row | None
    """What is there now; None where it is gone."""
    who: str = ""
    """Who changed it and when, as far as the mesh says."""

    def __str__(self) -> str:
        found = "gone" if self.found is None else words(self.found)
        by = f", changed by {self.who}" if self.who else ""
        return f"{self.origin}: {self.where}: {self.service} is {found}, not {words(self.written)}{by}"


@runtime_checkable
class Drifting(Protocol):
    """The optional capability of a Connector that remembers, in the mesh, what it wrote.

    Its `read` gives what stands by `on_drift`: with REVERT and IGNORE the rows that we last wrote, with ADOPT those
    that were found. Its `write` leaves ignored rows alone.
    """

    @property
    def on_drift(self) -> OnDrift:
        """What to do about it."""

    @property
    def drifts(self) -> tuple[Drift, ...]:
        """What the last `read` found."""


def words(row: Row) -> str:
    """`east 60.0 %, west 40.0 %`."""
    targets, shed = row
    total = sum(target.weight for target in targets) + shed
    named = [(str(t.cluster), t.weight) for t in targets if t.weight] + ([("refused", shed)] if shed else [])
    return ", ".join(f"{name} {weight / total:.1%}".replace("%", " %") for name, weight in named) or "nothing"


def rows_of(table: WeightTable) -> dict[ServiceId, Row]:
    """The rows of a table by service."""
    return {service: (targets, shed) for service, targets, shed in table.items()}


def with_rows(table: WeightTable, rows: Mapping[ServiceId, Row]) -> WeightTable:
    """The same table with some rows as given; those of services that it does not have are left out."""
    content = {
        service: {"shed": shed, "targets": [list(target) for target in targets]}
        for service, (targets, shed) in (
            rows_of(table) | {s: r for s, r in rows.items() if s in table.services}
        ).items()
    }
    whole: dict[str, object] = {"origin": table.origin, "unit": table.unit, "services": content}
    return table_from_content(whole, table.fence)


def settled(table: WeightTable, drifts: tuple[Drift, ...], on_drift: OnDrift) -> WeightTable:
    """What to write of a wanted table, row by row, when some rows have drifted: three-way.

    A row that nobody else touched, or that is already as wanted, is the wanted one. Of the others REVERT and ADOPT
    write the wanted row, for ADOPT has already planned from what was found; IGNORE leaves what was found.
    """
    if on_drift is not OnDrift.IGNORE:
        return table
    return with_rows(table, {drift.service: drift.found for drift in drifts if drift.found is not None})
