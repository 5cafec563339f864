"""Reports for pull requests and chats: a headline, tables without zero lines, details folded away."""

from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]
SHOWN = 15
CENT = 0.005
"""Dollars a month below which a line is not shown."""


def as_markdown(body: Json) -> str:
    """The report in Markdown."""
    return "\n".join(_cost(body) if body["report"] == "cost" else _other(body)) + "\n"


def _cost(body: Json) -> Iterator[str]:
    total, window = body["total"], body["window"]
    yield f"## Cost: {total['usd']:,.2f} {body['currency']} in {window['measured_hours']:g} measured hours"
    yield ""
    unit = body["currency"]
    yield f"{total['usd_per_hour']:,.4f} {unit}/h, {total['usd_per_month']:,.2f} {unit}/month of 730 h;"
    carbon = "carbon unknown" if total["co2_kg"] is None else f"{total['co2_kg']:,.1f} kg CO2e"
    yield f"{carbon}; {window['from']} to {window['to']}; prices as of {body['price_as_of']}."
    for title, key, name in (("Component", "by_component", "component"), ("Service", "by_service", "service"),
                             ("Team", "by_team", "team"), ("Cluster", "by_cluster", "cluster")):  # fmt: skip
        rows = [row for row in body[key] if abs(row["usd"]) >= CENT][:SHOWN]
        yield ""
        yield from table(
            (title, f"{body['currency']} in the window", "part", "kg CO2e"),
            [(row[name], f"{row['usd']:,.2f}", f"{row['share']:.1%}", f"{row['co2_kg']:,.1f}") for row in rows],
        )
    pairs = [(r["origin"], r["cluster"], f"{r['gb']:,.2f}", f"{r['usd']:,.2f}") for r in body["egress_pairs"][:SHOWN]]
    yield ""
    yield from folded("Transfer by pair", table(("Origin", "Cluster", "GB", body["currency"]), pairs))
    yield from _notes(body)


def _other(body: Json) -> Iterator[str]:
    from scheduler.reports.sheets import TABLES  # noqa: PLC0415  beside the other writers

    window = body["window"]
    yield f"## {str(body['report']).capitalize()}, {window['from']} to {window['to']}"
    for name in TABLES[body["report"]]:
        rows = body[name][:SHOWN]
        if rows:
            yield ""
            yield f"### {name.replace('_', ' ')}"
            yield ""
            yield from table(tuple(rows[0]), [[_value(value) for value in row.values()] for row in rows])
    yield from _notes(body)


def _notes(body: Json) -> Iterator[str]:
    gaps = [f"- {g['from']} to {g['to']}: {g['missing_hours']:g} h not measured" for g in body["gaps"]]
    if gaps:
        yield ""
        yield f"**{len(gaps)} gap{'s' if len(gaps) > 1 else ''} in the measurements, not filled in:**"
        yield ""
        yield from gaps[:SHOWN]
    yield ""
    yield from folded("Assumptions", [f"- {escape(words)}" for words in body["assumptions"]])


def difference(before: Json, after: Json) -> str:
    """How two cost reports differ, per month of 730 hours, as a comment on a pull request."""
    old, new = before["total"]["usd_per_month"], after["total"]["usd_per_month"]
    unit = after["currency"]
    lines = [f"## Cost {_verb(old, new)}: {new - old:+,.2f} {unit}/month ({ratio_words(old, new)})", ""]
    total = ("**Total**", f"{old:,.2f}", f"{new:,.2f}", f"**{new - old:+,.2f}**")
    lines += table((f"{unit}/month", "Previous", "New", "Change"), [*_changes(before, after, "component"), total])
    lines += ["", *folded("By service", table(("", "Previous", "New", "Change"), _changes(before, after, "service")))]
    lines += ["", *folded("By cluster", table(("", "Previous", "New", "Change"), _changes(before, after, "cluster")))]
    dates = f"Prices as of {after['price_as_of']} (before: {before['price_as_of']})."
    lines += ["", f"~ changed, + added, - removed. A month is 730 h. {dates}"]
    return "\n".join(lines) + "\n"


def exceeded(before: Json, after: Json, threshold: str) -> bool:
    """Whether the monthly cost rose by more than a threshold, `5%` or `200`. Raises ValueError for other words."""
    old, new = before["total"]["usd_per_month"], after["total"]["usd_per_month"]
    try:
        limit = float(threshold.rstrip("%"))
    except ValueError:
        raise ValueError(f"no threshold {threshold!r}; give a part such as 5% or an amount such as 200") from None
    return bool(new - old > (old * limit / 100 if threshold.endswith("%") else limit))


def _changes(before: Json, after: Json, by: str) -> list[tuple[str, ...]]:
    """Lines that changed by a cent a month or more, largest first."""
    old, new = _monthly(before, by), _monthly(after, by)
    rows: list[tuple[str, ...]] = []
    for name in sorted({*old, *new}, key=lambda n: -abs(new.get(n, 0.0) - old.get(n, 0.0))):
        was, now = old.get(name, 0.0), new.get(name, 0.0)
        if abs(now - was) >= CENT:
            sign = "+" if name not in old else "-" if name not in new else "~"
            rows.append((f"{sign} {escape(name)}", f"{was:,.2f}", f"{now:,.2f}", f"{now - was:+,.2f}"))
    return rows[:SHOWN]


def _monthly(body: Json, by: str) -> dict[str, float]:
    hours = max(body["window"]["measured_hours"], 1e-9)
    return {row[by]: row["usd"] / hours * 730 for row in body[f"by_{by}"]}


def ratio_words(old: float, new: float) -> str:
    """`+3.1 %`."""
    return f"{(new / old - 1) * 100:+.1f} %" if old else "new"


def _verb(old: float, new: float) -> str:
    return "rises" if new - old >= CENT else "falls" if old - new >= CENT else "stays"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A Markdown table; numbers to the right."""
    names = list(head)
    lines = [f"| {' | '.join(names)} |", f"|{'|'.join(['---'] + ['---:'] * (len(names) - 1))}|"]
    return lines + [f"| {' | '.join(escape(cell) for cell in row)} |" for row in rows]


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """What is shown on a click."""
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>"]


def escape(text: str) -> str:
    """Names are not markup."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "'")


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    return str(value)
