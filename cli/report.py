"""`equipoise report`: what the fleet costs, what it saved, where it is short, and what resilience costs."""

# ruff: noqa: PLC0415  as in cli.loop

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scheduler.ports import Configuration
    from scheduler.reports.gather import Gathered
    from scheduler.reports.replay import Replay
    from scheduler.reports.sources import Reading

ROSE = 3
"""Exit code of `--fail-above` when the cost rose by more."""


class Kind(StrEnum):
    """Which report."""

    COST = "cost"
    CAPACITY = "capacity"
    SAVINGS = "savings"
    RESILIENCE = "resilience"


class Form(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"
    HTML = "html"
    XLSX = "xlsx"
    FOCUS = "focus"


def report(
    kind: Annotated[Kind, typer.Argument(help="cost | capacity | savings | resilience")],
    file: Annotated[list[Path] | None, typer.Option("--file", "-f", help="Documents: files or folders.")] = None,
    window: Annotated[
        str,
        typer.Option(
            "--window",
            "-w",
            help="7d, 36h, 2w, month (to date), 2026-07, 2026-07-01..2026-07-15, all; or a ledger: its file or URL.",
        ),
    ] = "7d",
    scenario: Annotated[Path | None, typer.Option("--scenario", help="Play this scenario instead.")] = None,
    ledger: Annotated[str | None, typer.Option("--ledger", help="Its URL. Omitted: that of the Policy.")] = None,
    default_prices: Annotated[
        bool, typer.Option("--default-prices", help="Public list prices for what no PriceBook prices.")
    ] = False,
    compare_to: Annotated[
        Path | None, typer.Option("--compare-to", help="A cost report in JSON; print how this one differs (md).")
    ] = None,
    fail_above: Annotated[
        str | None, typer.Option("--fail-above", help="With --compare-to: exit 3 when a month costs more by 5% or 200.")
    ] = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="How to print.")] = Form.TABLE,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it. Omitted: stdout.")] = None,
) -> None:
    """Say what the fleet costs and why, from the ledger of a controller or from a scenario.

    Every amount has its unit, its period and the day of its prices. What was not measured is marked, never filled in.

    Exit code 0: printed. 1: there is no data, no price, or something is wrong. 3: `--fail-above` was exceeded.
    """  # fmt: skip
    if fail_above and not compare_to:
        _fail("--fail-above needs --compare-to, a report to compare with")
    if compare_to and kind is not Kind.COST:
        _fail("--compare-to compares cost reports; ask for `report cost`")
    if output is Form.FOCUS and kind is not Kind.COST:
        _fail("FOCUS has columns for cost only; ask for `report cost -o focus`")
    found, replay = _gathered(kind, file, window, scenario, ledger, default_prices)
    if output is Form.FOCUS:
        from scheduler.reports.focus import focus_rows
        from scheduler.reports.sheets import written

        _write(written(list(focus_rows(found))), out)
        return
    body = _body(kind, found, replay)
    if compare_to is not None:
        _compare(compare_to, body, fail_above, output, out)
        return
    _write(_rendered(body, output), out)


def _gathered(
    kind: Kind, file: list[Path] | None, window: str, scenario: Path | None, ledger: str | None, default_prices: bool
) -> "tuple[Gathered, Replay | None]":
    from config.problem import Invalid
    from scheduler.ports import LedgerDown

    try:
        if scenario is not None:
            return _from_scenario(kind, scenario)
        return _from_ledger(kind, file, window, ledger, default_prices)
    except Invalid as invalid:
        hint = "" if default_prices or "no PriceBook has" not in str(invalid) else PRICE_HINT
        _fail(f"{invalid}{hint}")
    except (LedgerDown, ValueError) as error:
        _fail(str(error))
    raise AssertionError("not reached")


PRICE_HINT = "\nGive a PriceBook for it, or pass --default-prices to use public list prices (see `equipoise prices`)."


def _from_scenario(kind: Kind, scenario: Path) -> "tuple[Gathered, Replay | None]":
    from cli.progress import progress
    from scheduler.reports.gather import gather
    from scheduler.reports.rates import rates_of
    from simulator.metered import metered
    from simulator.physics.demand import NoData
    from simulator.scenario.load import load_scenario

    loaded = load_scenario(scenario)
    told = 0.0
    with progress(loaded.scenario.spec.duration) as advance:

        def tell(now_s: float) -> None:
            nonlocal told
            advance(max(0.0, now_s - told), loaded.scenario.name)
            told = max(told, now_s)

        try:
            run = metered(loaded, progress=tell)
        except NoData as missing:
            raise ValueError(str(missing)) from None
    rates = rates_of(run.documents, run.window.starts_s, run.window.ends_s)
    found = gather(run.records, rates, run.window, f"scenario {loaded.scenario.name}")
    if kind is Kind.COST:
        return found, None
    from scheduler.reports.replay import replay_of
    from scheduler.translate import loop_configuration

    return found, replay_of(run.records, loop_configuration(run.documents))


def _from_ledger(
    kind: Kind, file: list[Path] | None, window: str, ledger: str | None, default_prices: bool
) -> "tuple[Gathered, Replay | None]":
    from config.fallback import default_book
    from config.load import load
    from scheduler.reports.sources import gathered, read_ledger
    from scheduler.translate import loop_configuration  # imports gRPC, which wants a loop that is not closed yet

    if not file:
        raise ValueError("no documents: give them with -f, or a scenario with --scenario")
    documents = load(*file, fallback=default_book() if default_prices else None)
    url = ledger or documents.policy.server.ledger
    if "://" in window or Path(window).is_file():
        url, window = window if "://" in window else f"sqlite:///{window}", "all"
    reading = asyncio.run(read_ledger(url, window))
    found = gathered(reading, documents)
    return found, None if kind is Kind.COST else _replayed(kind, url, reading, loop_configuration(documents))


def _replayed(kind: Kind, url: str, reading: "Reading", configuration: "Configuration") -> "Replay":
    from scheduler.reports.replay import busiest_day, replay_of
    from scheduler.reports.sources import read_hours

    peak = None if kind is Kind.SAVINGS else busiest_day(reading.records)  # a mean is not to lean to the busy days
    records, about = asyncio.run(read_hours(url, reading.window, len(configuration.fleet.flows), peak))
    return replay_of(records, configuration, about)


def _body(kind: Kind, found: "Gathered", replay: "Replay | None") -> dict[str, Any]:
    from placement.solve.linear import Unsolved
    from scheduler.reports.capacity import capacity_report
    from scheduler.reports.cost import cost_report
    from scheduler.reports.resilience import resilience_report
    from scheduler.reports.savings import savings_report

    try:
        if replay is None:
            return cost_report(found)
        match kind:
            case Kind.CAPACITY:
                return capacity_report(found, replay)
            case Kind.SAVINGS:
                return savings_report(found, replay)
            case _:
                return resilience_report(found, replay)
    except (ValueError, Unsolved) as error:
        _fail(str(error))
    raise AssertionError("not reached")


def _rendered(body: dict[str, Any], output: Form) -> str | bytes:
    match output:
        case Form.JSON:
            return json.dumps(body, indent=2) + "\n"
        case Form.CSV:
            from scheduler.reports.sheets import as_csv

            return as_csv(body)
        case Form.XLSX:
            from scheduler.reports.sheets import as_workbook

            return as_workbook(body)
        case Form.MD:
            from scheduler.reports.markdown import as_markdown

            return as_markdown(body)
        case Form.HTML:
            from scheduler.reports.page import page

            return page(body)
    from cli.report_table import drawn

    return drawn(body)


def _compare(path: Path, body: dict[str, Any], fail_above: str | None, output: Form, out: Path | None) -> None:
    from scheduler.reports.markdown import difference, exceeded

    try:
        before = _cost_report(path)
        text = difference(before, body) if output is not Form.JSON else json.dumps({"before": before, "after": body})
        over = fail_above is not None and exceeded(before, body, fail_above)
    except (OSError, ValueError, AttributeError, KeyError) as error:
        _fail(f"cannot compare: {error}")
    _write(text, out)
    if over:
        typer.echo(f"a month costs more than before by more than {fail_above}", err=True)
        raise typer.Exit(ROSE)


def _cost_report(path: Path) -> dict[str, Any]:
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if before.get("report") != "cost":
        raise ValueError(f"{path}: not written by `equipoise report cost -o json`")
    return before


def _write(text: str | bytes, out: Path | None) -> None:
    if isinstance(text, bytes):
        if out is None and sys.stdout.isatty():
            _fail("a workbook is no text for a terminal; give --out FILE.xlsx")
        out.write_bytes(text) if out else sys.stdout.buffer.write(text)
    elif out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8", newline="")


def _fail(words: str) -> Any:
    typer.echo(words, err=True)
    raise typer.Exit(1)
