"""`equipoise forecast`: what the fleet will need, what to buy and commit to, and what would change it."""

# ruff: noqa: PLC0415  as in cli.loop

import asyncio
import io
import json
import sys
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.loop import _fail

if TYPE_CHECKING:
    from config.configuration import Configuration
    from scheduler.planning.demand import Demand
    from scheduler.planning.forecast import Solved
    from scheduler.planning.outcome import Outcome


class Form(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    MD = "md"
    HTML = "html"


def forecast(
    file: Annotated[list[Path], typer.Option("--file", "-f", help="Documents: files or folders.")],
    months: Annotated[int, typer.Option("--months", "-m", min=1, max=60, help="How far to look.")] = 12,
    growth: Annotated[
        list[str] | None,
        typer.Option(
            "--growth",
            help="A year: 30%, SERVICE=30%, @PLACE=10%, SERVICE@PLACE=50%; PLACE: origin or region; repeatable.",
        ),
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="CSV of day,service,origin,rps (or region). Omitted: the ledger.")
    ] = None,
    ledger: Annotated[str | None, typer.Option("--ledger", help="Its URL. Omitted: that of the Policy.")] = None,
    add_region: Annotated[
        list[str] | None, typer.Option("--add-region", help="What a cluster in aws/ap-south-1 would do; repeat.")
    ] = None,
    spot_share: Annotated[
        float, typer.Option("--spot-share", min=0, max=1, help="Part of nodes that may be interruptible.")
    ] = 0.0,
    carbon_price: Annotated[
        float, typer.Option("--carbon-price", min=0, help="Plan as if a ton of CO2 cost so many dollars.")
    ] = 0.0,
    what_ifs: Annotated[
        bool, typer.Option("--what-ifs/--no-what-ifs", help="Exits, price changes and carbon prices too.")
    ] = True,
    default_prices: Annotated[
        bool, typer.Option("--default-prices", help="Public list prices for what no PriceBook prices.")
    ] = False,
    output: Annotated[Form, typer.Option("--output", "-o", help="How to print.")] = Form.TABLE,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it. Omitted: stdout.")] = None,
) -> None:
    """Say what to buy in which month and why, which commitments pay, and what regions, exits and prices would change.

    Growth is learnt from the ledger or a table, with its season and its error, or given. Every step is a certified
    whole-replica assignment; nothing is applied. With a carbon price emissions are weighed in all of it; amounts are
    still what is billed.
    """  # fmt: skip
    from config.fallback import default_book
    from config.load import load
    from config.problem import Invalid
    from placement.solve.linear import Unsolved
    from scheduler.ports import LedgerDown

    try:
        documents = load(*file, fallback=default_book() if default_prices else None)
        demand, source, tested = _demand(documents, growth or [], history, ledger, months)
        words = {"demand_source": source, "backtest": tested, "carbon_usd_per_ton": carbon_price}
        body = words | _body(documents, demand, months, add_region or [], spot_share, what_ifs, carbon_price)
    except Invalid as invalid:
        _fail(str(invalid))
    except (LedgerDown, Unsolved, ValueError, OSError) as error:
        _fail(f"no forecast: {error}")
    text = _rendered(body, output)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8", newline="")


def _rendered(body: dict[str, Any], output: Form) -> str:
    from cli.forecast_table import forecast_text
    from scheduler.planning.page import forecast_csv, forecast_markdown, forecast_page

    match output:
        case Form.JSON:
            return json.dumps(body, indent=2) + "\n"
        case Form.YAML:
            from ruamel.yaml import YAML

            text = io.StringIO()
            YAML(typ="safe", pure=True).dump(body, text)
            return text.getvalue()
        case Form.CSV:
            return forecast_csv(body)
        case Form.MD:
            return forecast_markdown(body)
        case Form.HTML:
            return forecast_page(body)
    return forecast_text(body)


def _demand(
    documents: "Configuration", growth: list[str], history: Path | None, ledger: str | None, months: int
) -> "tuple[Demand, str, dict[str, Any] | None]":
    """The demand to plan for, where it is from, and how a history's model did on its own past."""
    import numpy as np

    from placement.growth import fitted
    from scheduler.planning.demand import DAYS_PER_MONTH, demand_given, demand_learnt
    from scheduler.planning.history import backtest, history_of, read_history
    from scheduler.planning.outcome import outcome  # noqa: F401  imports gRPC, which wants a loop that is not closed yet
    from scheduler.reports.sources import read_ledger

    if growth:
        return demand_given(documents, _rates(growth), months), f"given: {', '.join(growth)} a year", None
    if history is not None:
        past = read_history(history.read_text(encoding="utf-8"))
    else:
        past = history_of(asyncio.run(read_ledger(ledger or documents.policy.server.ledger, "all")).records)
    model = fitted(past.rps)
    now = np.nanmean(past.rps[-4 * 7 :], axis=0)
    words = f"{len(past.rps)} days from {past.first}, {past.gaps} of them not measured"
    return (
        demand_learnt(documents, model, past.keys, now, months),
        words,
        backtest(past, min(3, months) * DAYS_PER_MONTH),
    )


def _rates(growth: list[str]) -> dict[str, float]:
    found = {}
    for text in growth:
        key, _, value = text.rpartition("=")
        try:
            found[key] = float(value.rstrip("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            raise ValueError(f"no growth {text!r}; give 30%, SERVICE=30% or SERVICE@ORIGIN=50%") from None
        if found[key] <= -1:
            raise ValueError(f"growth of {text!r} leaves nothing; it must be above -100%")
    return found


def _body(
    documents: "Configuration",
    demand: "Demand",
    months: int,
    wanted: list[str],
    spot_share: float,
    what_ifs: bool,
    carbon_price: float,
) -> dict[str, Any]:
    from cli.progress import progress
    from scheduler.planning.changes import with_room
    from scheduler.planning.demand import growth_rows
    from scheduler.planning.forecast import FORMAT, plan_steps, summary
    from scheduler.planning.mixes import commitments
    from scheduler.planning.outcome import outcome
    from scheduler.planning.what_ifs import carbon, exits, sensitivity

    today = date.today()  # noqa: DTZ011  terms of commitments are days
    solved = partial(outcome, carbon_usd_per_ton=carbon_price)
    with progress(months + len(wanted) + (4 if what_ifs else 1)) as advance:
        base = solved(with_room(documents))
        plan = plan_steps(documents, demand, months, solved, lambda name: advance(1.0, name))
        advance(1.0, "commitments")
        mixes = commitments(documents, demand, months, spot_share, solved, today)
        added = [_added(documents, region, base, solved, lambda: advance(1.0, "regions")) for region in wanted]
        found: dict[str, list[Any]] = {"exits": [], "sensitivity": [], "carbon": []}
        if what_ifs:
            advance(1.0, "exits")
            found["exits"] = list(exits(documents, base, solved, today))
            advance(1.0, "prices")
            found["sensitivity"] = list(sensitivity(documents, base, solved))
            advance(1.0, "carbon")
            found["carbon"] = list(carbon(documents))
    return {
        "format_version": FORMAT,
        "currency": "USD",
        "price_as_of": min(book.spec.as_of for book in documents.price_books).isoformat(),
        "price_books": [
            {"name": book.name, "as_of": book.spec.as_of.isoformat(), "source": book.spec.source}
            for book in documents.price_books
        ],
        "months": months,
        "now": summary(base),
        "growth": growth_rows(documents, demand),
        **plan,
        "commitments": mixes,
        "new_regions": added,
        **found,
    }


def _added(
    documents: "Configuration", region: str, base: "Outcome", solved: "Solved", told: Callable[[], None]
) -> dict[str, Any]:
    from scheduler.planning.changes import with_room
    from scheduler.planning.forecast import added_region
    from simulator.newregion import with_region

    told()
    addition = with_region(documents, region)
    after = solved(with_room(addition.documents))
    return added_region(region, addition.cluster, base, after, addition.assumed)
