"""What a mesh keeps of the last table it was given, as text: the fence, and every row exactly as it was wanted.

A mesh with coarse weights cannot say from those alone what was asked of it. So the record stands beside them, and what
the mesh really runs with is compared to what the record would become.

    {"fence": [1, 7], "table": {"origin": "eu-west", "unit": 10000, "services": {...}}}
"""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from connectors.connector import Unavailable
from connectors.http import understood
from placement.weights import WeightTable, table_of

Number = Annotated[int, Field(ge=0, le=2**53)]
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
