"""Reports as CSV and as a workbook. Text that a spreadsheet would run as a formula is written as text."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Json = dict[str, Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What begins a formula, or hides one (OWASP, CSV Injection)."""
TABLES = {
    "cost": (
        "allocations",
        "by_component",
        "by_cluster",
        "by_service",
        "by_team",
        "by_origin",
        "egress_pairs",
        "movers",
    ),
    "capacity": ("backends", "pools", "next_dollar"),
    "savings": ("policies", "saved"),
    "resilience": ("by_service",),
}
"""The tables of each report; the first is what CSV holds."""


def safe(text: object) -> object:
    """Text that no spreadsheet runs; numbers as they are."""
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text


def as_csv(body: Json) -> str:
    """The first table of a report, with the unit, the currency and the dates in every row."""
    rows = body[TABLES[body["report"]][0]]
    extra = {
        "currency": body["currency"],
        "price_as_of": body["price_as_of"],
        "from": body["window"]["from"],
        "to": body["window"]["to"],
    }
    return written([_flat(row) | extra for row in rows])


def written(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV, safe for spreadsheets."""
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe(name) for name in names])
    writer.writerows([_shown(row.get(name)) for name in names] for row in rows)
    return out.getvalue()


def as_workbook(body: Json) -> bytes:
    """A sheet for each table, and one for what the numbers rest on."""
    from xlsxwriter import Workbook  # noqa: PLC0415  only where it is asked for

    out = io.BytesIO()
    book = Workbook(out, {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True})
    head = book.add_format({"bold": True, "bottom": 1})
    about = book.add_worksheet("about")
    for line, (name, value) in enumerate(_about(body)):
        about.write_string(line, 0, name, head)
        about.write_string(line, 1, value)
    about.set_column(0, 0, 16)
    about.set_column(1, 1, 100)
    for name in TABLES[body["report"]]:
        rows = [_flat(row) for row in body[name]]
        sheet = book.add_worksheet(name)
        names = list(dict.fromkeys(key for row in rows for key in row))
        for column, key in enumerate(names):
            sheet.write_string(0, column, key, head)
        for line, row in enumerate(rows, 1):
            for column, key in enumerate(names):
                _cell(sheet, line, column, row.get(key))
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, max(len(names) - 1, 0), 18)
    book.close()
    return out.getvalue()


def _cell(sheet: Any, line: int, column: int, value: object) -> None:
    if isinstance(value, bool) or value is None:
        sheet.write_string(line, column, _shown(value))
    elif isinstance(value, int | float):
        sheet.write_number(line, column, value)
    else:
        sheet.write_string(line, column, str(value))


def _about(body: Json) -> Iterable[tuple[str, str]]:
    window = body["window"]
    yield "report", body["report"]
    yield "window", f"{window['from']} to {window['to']}, {window['measured_hours']} h measured, {window['source']}"
    yield "currency", f"{body['currency']}, prices as of {body['price_as_of']}"
    for book in body["price_books"]:
        yield "price book", f"{book['name']}, {book['as_of']}: {book['source']}"
    for gap in body["gaps"]:
        yield "gap", f"{gap['from']} to {gap['to']}: {gap['missing_hours']} h not measured"
    for words in body["assumptions"]:
        yield "assumption", words


def _flat(row: Mapping[str, object]) -> dict[str, object]:
    """Nested tables as columns of their own."""
    out: dict[str, object] = {}
    for name, value in row.items():
        out |= {f"{name}_{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return out


def _shown(value: object) -> Any:
    """A cell: decimals in full, nothing as an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return np.format_float_positional(value, trim="-")
    return safe(value)
