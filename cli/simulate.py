"""`equipoise simulate`: what if. Plays scenarios in a virtual world and says what came of it."""

# ruff: noqa: PLC0415  as in cli.loop

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from placement.fleet import OriginId
    from placement.weights import WeightTable
    from simulator.play import Played
    from simulator.scenario.load import Loaded

UNMET = 3
"""Exit code when an expectation or threshold was not met."""


class Report(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"
    JUNIT = "junit"


def simulate(
    files: Annotated[list[Path], typer.Argument(help="Scenario files.")],
    policy: Annotated[
        str, typer.Option("--policy", help="Who decides, separated by commas; `all` for every one there is.")
    ] = "equipoise",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from the scenario's own on.")] = 1,
    output: Annotated[Report, typer.Option("--output", "-o", help="How to print.")] = Report.TABLE,
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it. Omitted: stdout.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Runs at once.")] = 1,
    from_ledger: Annotated[
        bool, typer.Option("--from-ledger", help="FILES are documents; start from the weights in their ledger.")
    ] = False,
    event: Annotated[
        list[str] | None, typer.Option("--event", help='With --from-ledger: "cluster-outage cluster=eu-west for=3m".')
    ] = None,
    at: Annotated[
        str, typer.Option("--at", help="With --from-ledger: a time that has passed, 2026-07-30T18:00 or 90m for ago.")
    ] = "",
    minutes: Annotated[float, typer.Option("--for", min=0.1, help="With --from-ledger: minutes to play.")] = 10.0,
) -> None:
    """Play scenarios with the production loop, or others, in a virtual world; nothing real is touched.

    With --from-ledger: what if, from the weights and documents of a controller.

    Exit code 0: every expectation was met by equipoise (or by the only policy). 3: one was not. 1: a file is wrong.
    """
    from cli.policies import policies_of
    from config.problem import Invalid
    from simulator.physics.demand import NoData
    from simulator.scenario.load import load_scenario

    if from_ledger:
        _live(files, event or [], minutes, at, policies_of(policy), output, out)
        return
    try:
        loaded = [load_scenario(file) for file in files]
    except Invalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(1) from None
    try:
        played = _play(loaded, policies_of(policy), seeds, jobs)
    except NoData as missing:
        typer.echo(str(missing), err=True)
        raise typer.Exit(1) from None
    _print(played, output, out)
    if not _met(played):
        raise typer.Exit(UNMET)


def _live(
    files: list[Path],
    events: list[str],
    minutes: float,
    at: str,
    policies: list[str],
    output: Report,
    out: Path | None,
) -> None:
    """From what stands now, and beside it the same minutes without the events; nothing is expected, so the exit code
    is 0.
    """
    import asyncio
    from dataclasses import replace

    from config.problem import Invalid
    from simulator.live import from_ledger
    from simulator.results import WITHOUT

    try:
        loaded, tables, source = asyncio.run(from_ledger(files, events, 60 * minutes, at))
        calm, _, _ = asyncio.run(from_ledger(files, [], 60 * minutes, at))
    except Invalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"starts from: {source}", err=True)
    played = _play([loaded], policies, 1, 1, tables or None)
    if events:
        played += [replace(run, policy=WITHOUT) for run in _play([calm], policies[:1], 1, 1, tables or None)]
    _print(played, output, out)


def _play(
    loaded: "list[Loaded]",
    policies: list[str],
    seeds: int,
    jobs: int,
    tables: "Mapping[OriginId, WeightTable] | None" = None,
) -> "list[Played]":
    """All runs in the order of files, policies and seeds, from weights that fit them or from some `tables`."""
    runs = [(one, who, one.scenario.spec.seed + i) for one in loaded for who in policies for i in range(seeds)]
    if jobs > 1 and len(runs) > 1:
        return _play_apart(runs, jobs)
    from cli.progress import progress
    from simulator.play import play

    played = []
    with progress(sum(one.scenario.spec.duration for one, _, _ in runs)) as advance:
        for one, who, seed in runs:
            told = 0.0

            def tell(now_s: float, name: str = f"{one.scenario.name} {who}") -> None:
                nonlocal told
                advance(max(0.0, now_s - told), name)
                told = max(told, now_s)

            played.append(play(one, who, seed, tell, tables))
    return played


def _play_apart(runs: "list[tuple[Loaded, str, int]]", jobs: int) -> "list[Played]":
    from cli.progress import progress
    from simulator.play import play
    from simulator.workers import workers

    with workers(jobs) as pool, progress(len(runs)) as advance:
        futures = [pool.submit(play, *run) for run in runs]
        for future, run in zip(futures, runs, strict=True):
            future.result()
            advance(1.0, run[0].scenario.name)
        return [future.result() for future in futures]


def _met(played: "list[Played]") -> bool:
    """Ours are judged; others only where nobody else played."""
    from simulator.rivals import EQUIPOISE
    from simulator.score import findings

    ours = [run for run in played if run.policy == EQUIPOISE] or played
    return all(found.met for run in ours for found in findings(run))


def _print(played: "list[Played]", output: Report, out: Path | None) -> None:
    from simulator.results import body_of, junit, result_of

    results = [result_of(run) for run in played]
    match output:
        case Report.TABLE:
            text = _tables(results)
        case Report.JSON:
            text = json.dumps(body_of(results), indent=2) + "\n"
        case Report.JUNIT:
            text = junit(results)
        case Report.HTML:
            from simulator.report.page import page

            text = page(played)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")


def _tables(results: list[dict[str, Any]]) -> str:
    from cli.policies import drawn

    return drawn(results)
