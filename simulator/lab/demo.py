"""The demo: a lab, a story told on it, and what came of it."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from rich.console import Console

from simulator.lab import report, story
from simulator.lab.fleet import Options, running
from simulator.lab.gateways import DataPlane, available
from simulator.lab.processes import LabError
from simulator.lab.view import Stage

DURATION_MIN_S = 45.0
"""A story shorter than that has no time for a return."""
INTERRUPTED = 130
"""Exit code of a program that was ended by Ctrl-C."""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator.lab",
        description="Three clusters in three places on this machine, steered while prices, load and health change.",
    )
    parser.add_argument("--duration", type=_duration, default=120.0, metavar="SECONDS",
                        help="length of the story, %(default)g if not given")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end; all else on standard error")
    parser.add_argument("--no-tty", action="store_true", help="plain lines instead of a live screen")
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and service times")
    parser.add_argument("--outlier-detection", action="store_true",
                        help="let the gateways put failing endpoints aside by themselves, too")  # fmt: skip
    parser.add_argument("--data-plane", type=DataPlane, choices=list(DataPlane), default=available(),
                        help="what the gateways are; %(default)s here if not given")  # fmt: skip
    return parser.parse_args(argv)


def _duration(text: str) -> float:
    try:
        duration_s = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not DURATION_MIN_S <= duration_s <= 24 * 3600:
        raise argparse.ArgumentTypeError(f"{text} is not within {DURATION_MIN_S:g} seconds and a day")
    return duration_s


async def demo(arguments: argparse.Namespace, console: Console) -> None:
    """Set up, play, report. Raises LabError."""
    stage = Stage(console, live=console.is_terminal and not arguments.no_tty)
    options = Options(arguments.duration, arguments.seed, arguments.outlier_detection, arguments.data_plane)
    stage.say("starting three clusters, their users and the controller")
    async with running(options, stage.say) as lab:
        async with stage.showing(lab):
            scenes = await story.play(lab, arguments.duration, stage.say)
        values = report.summary(lab, scenes)
    console.print(report.show(values))
    if arguments.json:
        sys.stdout.write(report.line(values) + "\n")


async def interruptible(arguments: argparse.Namespace, console: Console) -> int:
    """The demo's exit code: 0, 1 when the lab came apart, 130 when it was told to stop. Nothing is left behind."""
    task = asyncio.create_task(demo(arguments, console))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        console.print("stopped; every process has ended")
        return INTERRUPTED
    except LabError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    arguments = parse(argv)
    console = Console(stderr=arguments.json)
    return asyncio.run(interruptible(arguments, console))
