"""A weight table as entries of an HAProxy map, and back: `show map` then says what the mesh has from us.

    !fence      1,7,10000                                         epoch, version, unit
    frontend    250000,2500,east:6000:0,north:1500:0,west:0:1     shed in millionths, shed, cluster:weight:priority

HAProxy itself reads the number at the beginning: a request is refused when one drawn below a million is smaller.
"""

from collections.abc import Mapping

from connectors.haproxy.programmed import BadAnswer
from connectors.haproxy.spec import FENCE_KEY
from placement.weights import WeightTable, table_of

Row = dict[str, tuple[int, int]]
"""(weight, priority) by cluster."""


def entries_of_table(table: WeightTable) -> dict[str, str]:
    """Key and value of each row, and of the fence."""
    found = {FENCE_KEY: f"{table.epoch},{table.version},{table.unit}"}
    for service, targets, shed in table.items():
        listed = (f"{t.cluster}:{t.weight}:{t.priority}" for t in targets)
        found[service] = ",".join([str(round(shed / table.unit * 1e6)), str(shed), *listed])
    return found


def fence_of(entries: Mapping[str, str]) -> tuple[int, int, int] | None:
    """(epoch, version, unit), None where there was no table yet; BadAnswer where somebody else wrote there."""
    text = entries.get(FENCE_KEY)
    if text is None:
        return None
    epoch, version, unit = _numbers(text.split(","), 3, text)
    if unit == 0:
        raise BadAnswer(f"map entry {text!r} has a unit of 0")
    return epoch, version, unit


def row_of(text: str) -> Row:
    """The targets of one row; BadAnswer for a value that is none of ours."""
    _, _, *listed = text.split(",") if text.count(",") else ["", ""]
    _numbers(text.split(",")[:2], 2, text)
    row: Row = {}
    for part in listed:
        cluster, *numbers = part.split(":")
        weight, priority = _numbers(numbers, 2, text)
        if not cluster or (weight > 0) != (priority == 0):
            raise BadAnswer(f"map entry {text[:80]!r} is no row of a table")
        row[cluster] = (weight, priority)
    return row


def table_of_rows(origin: str, fence: tuple[int, int, int], rows: Mapping[str, Row]) -> WeightTable:
    """The table that some rows make; those whose weights are more than the unit are left out."""
    epoch, version, unit = fence
    sound = {service: row for service, row in rows.items() if sum(weight for weight, _ in row.values()) <= unit}
    return table_of(origin, unit, sound, (epoch, version))


def _numbers(texts: list[str], count: int, whole: str) -> list[int]:
    sound = [text.isascii() and text.isdigit() and len(text) < 16 for text in texts]
    if len(texts) != count or not all(sound):
        raise BadAnswer(f"map entry {whole[:80]!r} is none of ours")
    return [int(text) for text in texts]
