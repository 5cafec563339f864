"""`equipoise atlas` and `equipoise sweep`: many what-ifs at once."""

# ruff: noqa: PLC0415  as in cli.loop

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from simulator.scenario.load import Loaded

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Runs at once; many of them go to Ray.")]
Address = Annotated[str | None, typer.Option("--ray", help="The address of a Ray cluster.", metavar="ADDRESS")]


class Output(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


HEADS = {
    "loss": "LOSS", "variant": "VARIANT", "policy": "POLICY", "runs": "RUNS", "unanswered": "UNANSWERED",
    "availability": "AVAILABLE", "availability_worst": "AT WORST", "shed": "SHED", "failover_s": "FAILOVER s",
    "failoverS": "FAILOVER s", "p95_ms": "P95 ms", "p95Ms": "P95 ms", "worst_use": "WORST USE",
    "total_usd_per_hour": "TOTAL $/h", "totalUsdPerHour": "TOTAL $/h", "met": "AS EXPECTED",
}  # fmt: skip
"""Of the tables: what the keys of `-o json` are to people."""
PARTS = {"unanswered", "availability", "availability_worst", "shed", "worst_use"}
"""Numbers that are parts of a whole."""


Format = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]


def atlas(
    file: Annotated[Path, typer.Argument(help="A scenario: its fleet and demand are used, its events are not.")],
    pairs: Annotated[bool, typer.Option("--pairs", help="Also every two losses, one soon after the other.")] = False,
    policy: Annotated[str, typer.Option("--policy", help="Who decides.")] = "equipoise",
    top: Annotated[int, typer.Option("--top", min=1, help="Rows to show.")] = 30,
    jobs: Jobs = 2,
    ray: Address = None,
    output: Format = Output.TABLE,
) -> None:
    """Play every single loss of a fleet, and with --pairs every two, and rank them by what users lose."""
    from cli.policies import policies_of
    from simulator.atlas import atlas_runs, ranked
    from simulator.sweep import sweep

    runs = atlas_runs(_loaded(file), pairs=pairs, policy=policies_of(policy)[0])
    rows = ranked(sweep(runs, jobs, ray, _tell))
    show(rows[:top] if output is Output.TABLE else rows, output)


def sweep(
    files: Annotated[list[Path], typer.Argument(help="Scenarios.")],
    values: Annotated[
        list[str],
        typer.Option("--set", help="Values of a key of spec, `world.clients.retries=0,1,3`; may be repeated."),
    ] = [],  # noqa: B006  typer's form of an option that may be repeated
    policy: Annotated[
        str, typer.Option("--policy", help="Who decides, separated by commas; `all` for everybody.")
    ] = "equipoise",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds.")] = 1,
    jobs: Jobs = 2,
    ray: Address = None,
    output: Format = Output.TABLE,
) -> None:
    """Play scenarios over seeds and values of their keys, and show mean and worst of each combination."""
    from cli.policies import policies_of
    from simulator.sweep import Run
    from simulator.sweep import sweep as played
    from simulator.variants import NoSuchKey, grid

    try:
        wanted = dict(_values(text) for text in values)
        runs = [
            Run(f"{one.scenario.name}: {variant.words}", variant.loaded, who, one.scenario.spec.seed + i)
            for one in map(_loaded, files)
            for variant in grid(one, wanted)
            for who in policies_of(policy)
            for i in range(seeds)
        ]
    except NoSuchKey as wrong:
        typer.echo(str(wrong), err=True)
        raise typer.Exit(1) from None
    show(_means(played(runs, jobs, ray, _tell)), output)


def _values(text: str) -> tuple[str, list[Any]]:
    key, _, listed = text.partition("=")
    return key, [_value(word) for word in listed.split(",")]


def _value(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word


def _means(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each variant and policy."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["variant"], result["policy"]), []).append(result)
    rows = []
    for (variant, policy), runs in groups.items():
        row: dict[str, Any] = {"variant": variant, "policy": policy, "runs": len(runs)}
        for name in ("availability", "shed", "p95Ms", "totalUsdPerHour", "failoverS"):
            known = [run["metrics"][name] for run in runs if run["metrics"][name] is not None]
            row[name] = round(sum(known) / len(known), 6) if known else None
        row["availability_worst"] = min(run["metrics"]["availability"] or 0.0 for run in runs)
        row["met"] = all(run["met"] for run in runs)
        rows.append(row)
    return rows


def _loaded(file: Path) -> "Loaded":
    from config.problem import Invalid
    from simulator.scenario.load import load_scenario

    try:
        return load_scenario(file)
    except Invalid as invalid:
        typer.echo(str(invalid), err=True)
        raise typer.Exit(1) from None


def _tell(words: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{words}", err=True, nl=False)


def show(rows: list[dict[str, Any]], output: Output) -> None:
    """Print rows as they were asked for."""
    if output is Output.JSON:
        sys.stdout.write(json.dumps({"format_version": 1, "rows": rows}, indent=2) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*(HEADS[name] for name in rows[0]) if rows else (), box=None, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _cell(name: str, value: object) -> str:
    """A value as people read it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "-"
        case float():
            return f"{value:.2%}" if name in PARTS else f"{value:.2f}"
    return str(value)
