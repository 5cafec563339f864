"""`equipoise compare`: two runs side by side."""

# ruff: noqa: PLC0415  as in cli.loop

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def compare(
    one: Annotated[Path, typer.Argument(help="A scenario, or what `simulate -o json` wrote.")],
    other: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """Show how two scenarios, or two results, differ, metric by metric."""
    from cli.policies import compared

    names = (one.stem, other.stem if other.stem != one.stem else f"{other.stem} (2)")
    sys.stdout.write(compared(_results(one), _results(other), names))


def _results(path: Path) -> list[dict[str, Any]]:
    from config.problem import Invalid
    from simulator.physics.demand import NoData
    from simulator.play import play
    from simulator.results import read_results, result_of
    from simulator.scenario.load import load_scenario

    try:
        if path.suffix == ".json":
            return read_results(path)
        return [result_of(play(load_scenario(path)))]
    except (Invalid, NoData, ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
