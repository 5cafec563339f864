"""`equipoise fuzz`: the controller in random worlds with random faults, watched by invariants."""

# ruff: noqa: PLC0415  imports when it runs, so that --help is quick

import json
from os import cpu_count
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from simulator.fuzz.watch import Verdict


def fuzz(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many worlds.")] = 100,
    start: Annotated[int, typer.Option("--start", min=0, help="The first seed.")] = 0,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes. Default: all processors.")] = None,
    events: Annotated[
        str,
        typer.Option("--events", help="Faults instead of those of the seed, as a failure prints them.", metavar="JSON"),
    ] = "",
    switches: Annotated[bool, typer.Option("--switches/--no-switches", help="Let the operator of a seed act.")] = True,
    shrink: Annotated[bool, typer.Option("--shrink/--no-shrink", help="Cut failing programs down.")] = True,
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> None:
    """Play random worlds and watch every turn. Exits 1 when a rule did not hold, with one line to see it again.

    A seed is a fleet, its demand and a program of faults that heal; every run is the same to the last bit, and one
    seed in a hundred is run twice to make sure.
    """
    from cli.progress import progress
    from simulator.fuzz.campaign import campaign, failure
    from simulator.fuzz.shrink import shrunk

    if output not in {"table", "json"}:
        raise typer.BadParameter("there are table and json", param_hint="--output")
    if events or not switches:
        found = [verdict] if not (verdict := _replayed(start, events, switches)).clean else []
        summary: dict[str, Any] = {"seeds": 1, "failed": len(found), "failures": [failure(v) for v in found]}
    else:
        with progress(seeds) as advance:
            wanted = range(start, start + seeds)
            result = campaign(wanted, jobs or cpu_count() or 1, lambda v: advance(1, f"seed {v.program.seed}"))
        found, summary = result.failed, result.summary()
        if shrink:
            found = [shrunk(verdict) for verdict in found]
            summary["failures"] = [failure(verdict) for verdict in found]
    typer.echo(json.dumps(summary, indent=2) if output == "json" else _told(summary))
    if found:
        raise typer.Exit(1)


def _replayed(seed: int, events: str, switches: bool) -> "Verdict":
    from dataclasses import replace

    from simulator.fuzz.program import program
    from simulator.fuzz.watch import watch

    wanted = program(seed)
    try:
        wanted = wanted.only(tuple(json.loads(events))) if events else wanted
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(f"not a JSON list of events: {error}", param_hint="--events") from None
    return watch(wanted if switches else replace(wanted, switches=()))


def _told(summary: dict[str, Any]) -> str:
    """For people: failures, then a line that sums it up."""
    lines = []
    for failure in summary["failures"]:
        lines += [f"seed {failure['seed']}: {failure['violations'][0]}", f"  replay: {failure['replay']}"]
    known = f", {summary['turns']:,} turns, {summary['repeated']} repeated" if "turns" in summary else ""
    return "\n".join([*lines, f"{summary['seeds']} seeds, {summary['failed']} failed{known}"])
