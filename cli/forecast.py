"""`equipoise forecast`: what the fleet will need, what to buy and commit to, and what would change it."""

# ruff: noqa: PLC0415  as in cli.loop

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.loop import Format, Output, _fail

if TYPE_CHECKING:
    from config.configuration import Configuration
    from scheduler.planning.forecast import Demand
    from scheduler.planning.outcome import Outcome


def forecast(
    file: Annotated[list[Path], typer.Option("--file", "-f", help="Documents: files or folders.")],
    months: Annotated[int, typer.Option("--months", "-m", min=1, max=60, help="How far to look.")] = 12,
    growth: Annotated[
        list[str] | None,
        typer.Option(
            "--growth", help="A year: 30%, SERVICE=30%, @ORIGIN=10% or SERVICE@ORIGIN=50%; repeat. No history."
        ),
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="CSV of day,service,origin,rps. Omitted: the ledger.")
    ] = None,
    ledger: Annotated[str | None, typer.Option("--ledger", help="Its URL. Omitted: that of the Policy.")] = None,
    add_region: Annotated[
        list[str] | None, typer.Option("--add-region", help="What a cluster in aws/ap-south-1 would do; repeat.")
    ] = None,
    spot_share: Annotated[
        float, typer.Option("--spot-share", min=0, max=1, help="Part of nodes that may be interruptible.")
    ] = 0.0,
    what_ifs: Annotated[
        bool, typer.Option("--what-ifs/--no-what-ifs", help="Exits, price changes and carbon prices too.")
    ] = True,
    default_prices: Annotated[
        bool, typer.Option("--default-prices", help="Public list prices for what no PriceBook prices.")
    ] = False,
    output: Format = Output.TABLE,
) -> None:
    """Say what to buy in which month and why, which commitments pay, and what regions, exits and prices would change.

    Growth is learnt from the ledger or a table, with its season and its error, or given. Every step is a certified
    whole-replica assignment; nothing is applied.
    """
    from cli.forecast_table import forecast_tables
    from cli.render import print_as
    from config.fallback import default_book
    from config.load import load
    from config.problem import Invalid
    from placement.solve.linear import Unsolved
    from scheduler.ports import LedgerDown

    try:
        documents = load(*file, fallback=default_book() if default_prices else None)
        demand, source, tested = _demand(documents, growth or [], history, ledger, months)
        body = _body(documents, demand, months, add_region or [], spot_share, what_ifs)
    except Invalid as invalid:
        _fail(str(invalid))
    except (LedgerDown, Unsolved, ValueError, OSError) as error:
        _fail(f"no forecast: {error}")
    print_as(output, {**body, "demand_source": source, "backtest": tested}, forecast_tables)


def _demand(
    documents: "Configuration", growth: list[str], history: Path | None, ledger: str | None, months: int
) -> "tuple[Demand, str, dict[str, Any] | None]":
    """The demand to plan for, where it is from, and how a history's model did on its own past."""
    import numpy as np

    from placement.growth import fitted
    from scheduler.planning.forecast import DAYS_PER_MONTH, demand_given, demand_learnt
    from scheduler.planning.history import backtest, history_of, read_history
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
    return demand_learnt(model, past.keys, now, months), words, backtest(past, min(3, months) * DAYS_PER_MONTH)


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
    documents: "Configuration", demand: "Demand", months: int, wanted: list[str], spot_share: float, what_ifs: bool
) -> dict[str, Any]:
    from cli.progress import progress
    from scheduler.planning.changes import with_room
    from scheduler.planning.forecast import FORMAT, carbon, commitments, exits, plan_steps, sensitivity, summary
    from scheduler.planning.outcome import outcome

    with progress(months + len(wanted) + 8) as advance:
        base = outcome(with_room(documents))
        plan = plan_steps(documents, demand, months, lambda name: advance(1.0, name))
        advance(1.0, "commitments")
        mixes = commitments(documents, demand, months, spot_share)
        added = [_added(documents, region, base, lambda: advance(1.0, "regions")) for region in wanted]
        found = {"exits": [], "sensitivity": [], "carbon": []} if not what_ifs else {
            "exits": list(exits(documents, base)),
            "sensitivity": list(sensitivity(documents, base)),
            "carbon": list(carbon(documents)),
        }  # fmt: skip
    return {
        "format_version": FORMAT,
        "currency": "USD",
        "price_as_of": min(book.spec.as_of for book in documents.price_books).isoformat(),
        "months": months,
        "now": summary(base),
        "growth": [{"service": s, "origin": o, "ratio_per_year": round(rate, 6)} for s, o, rate in demand.growth],
        **plan,
        "commitments": mixes,
        "new_regions": added,
        **found,
    }


def _added(documents: "Configuration", region: str, base: "Outcome", told: Any) -> dict[str, Any]:
    from scheduler.planning.changes import with_room
    from scheduler.planning.forecast import difference, summary
    from scheduler.planning.outcome import outcome
    from simulator.newregion import with_region

    told()
    addition = with_region(documents, region)
    after = outcome(with_room(addition.documents))
    taken = {name: count for name, count in after.nodes.items() if name.startswith(f"{addition.cluster}/") and count}
    return {
        "region": region,
        "with_it": summary(after),
        "difference": difference(base, after),
        "nodes_there": taken,
        "assumed": list(addition.assumed),
    }
