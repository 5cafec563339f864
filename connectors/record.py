"""What a mesh keeps of the last table it was given, as text: the fence, and every row exactly as it was wanted.

A mesh with coarse weights cannot say from those alone what was asked of it. So the record stands beside them, and what
the mesh really runs with is compared to what the record would become.

    {"fence": [1, 7], "table": {"origin": "eu-west", "unit": 10000, "services": {...}}}
"""

import json
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from connectors.connector import Unavailable
from connectors.http import understood
from placement.fleet import ServiceId
from placement.weights import WeightTable, table_of

Number = Annotated[int, Field(ge=0, le=2**53)]
_LINE = re.compile(r"(\d{1,15})\.(\d{1,15}) ([1-9]\d{0,14}) (\d{1,15})((?: [^ :]+:\d{1,15}:\d{1,4})*)")
NAME = "equipoise"
"""What everything of ours in a mesh is called or labelled by."""


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Row(_Shape):
    shed: Number
    targets: list[tuple[str, Number, Number]]


class _Table(_Shape):
    origin: str
    unit: Annotated[int, Field(ge=1, le=2**53)]
    services: dict[str, _Row]


class _Record(_Shape):
    fence: tuple[Number, Number]
    table: _Table


def record_text(table: WeightTable) -> str:
    """A table with its fence, as compact JSON."""
    return json.dumps({"fence": table.fence, "table": table.content()}, separators=(",", ":"))


def record_of(text: str | bytes, what: str) -> WeightTable:
    """The inverse; Unavailable naming `what` where somebody else wrote there."""
    found = understood(_Record, text, what)
    rows = {name: _row(row, found.table.unit, f"{what}, row {name}") for name, row in found.table.services.items()}
    return table_of(found.table.origin, found.table.unit, rows, found.fence)


def _row(row: _Row, unit: int, what: str) -> dict[str, tuple[int, int]]:
    weights = {cluster: (weight, priority) for cluster, weight, priority in row.targets}
    whole = sum(weight for weight, _ in weights.values()) + row.shed == unit and len(weights) == len(row.targets)
    sound = all(weight >= 0 and (weight > 0) == (priority == 0) for weight, priority in weights.values())
    if not (whole and sound):
        raise Unavailable(f"{what}: bad answer: this is no row of a table")
    return weights


def line_of(table: WeightTable) -> str:
    """A table of one row on a line without quotes or braces, for tags: `1.7 10000 0 east:6000:0 west:0:1`."""
    [(_, targets, shed)] = table.items()
    listed = (f"{target.cluster}:{target.weight}:{target.priority}" for target in targets)
    return " ".join([f"{table.epoch}.{table.version}", str(table.unit), str(shed), *listed])


def table_of_line(origin: str, service: str, line: str, what: str) -> WeightTable:
    """The inverse; Unavailable naming `what` where somebody else wrote there."""
    found = _LINE.fullmatch(line)
    if not found:
        raise Unavailable(f"{what}: bad answer: {line[:80]!r} is no row of a table")
    pairs = [part.rsplit(":", 2) for part in found[5].split()]
    row = _Row(shed=int(found[4]), targets=[(cluster, int(weight), int(place)) for cluster, weight, place in pairs])
    weights = _row(row, int(found[3]), what)
    return table_of(origin, int(found[3]), {service: weights}, (int(found[1]), int(found[2])))


def parts(record: WeightTable) -> dict[ServiceId, WeightTable]:
    """A table of one row for each row, for meshes that keep the record beside each object."""
    return {
        service: table_of(
            record.origin, record.unit, {service: {t.cluster: (t.weight, t.priority) for t in targets}}, record.fence
        )
        for service, targets, _ in record.items()
    }


def joined(tables: list[WeightTable]) -> WeightTable | None:
    """The table that some parts make: those of the highest fence, for what is older was left out since."""
    if not tables:
        return None
    fence = max(table.fence for table in tables)
    newest = [table for table in tables if table.fence == fence]
    unit = newest[0].unit
    rows = {
        str(service): {str(target.cluster): (target.weight, target.priority) for target in targets}
        for table in newest
        if table.unit == unit
        for service, targets, _ in table.items()
    }
    return table_of(newest[0].origin, unit, dict(sorted(rows.items())), fence)
