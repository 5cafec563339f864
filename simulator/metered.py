"""A scenario as usage: the meter of production listens to a run, so that what it costs is reported the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from config.configuration import Configuration
from scheduler.metering import Meter
from scheduler.reports.window import Window
from scheduler.state import State
from scheduler.turn import Turn
from scheduler.usage import Usage, shifted
from simulator.play import Played, play
from simulator.scenario.load import Loaded

FLUSH_S = 900.0


@dataclass(frozen=True, slots=True)
class Metered:
    """A run, what it used, and when that was: it begins at midnight on the day of its prices."""

    played: Played
    documents: Configuration
    records: list[Usage]
    window: Window


def metered(loaded: Loaded, seed: int | None = None, progress: Callable[[float], None] = lambda _: None) -> Metered:
    """Play a scenario with the production loop and meter it. Raises simulator.physics.demand.NoData."""
    meter, records = Meter(flush_s=FLUSH_S), list[Usage]()

    def listen(state: State, turn: Turn) -> None:
        if turn.wall_s >= 0:  # before, the run only settles
            records.extend(meter.hear(state, turn))

    played = play(loaded, seed=seed, progress=progress, listen=listen)
    records.extend(meter.close())
    documents = loaded.configuration
    day = min(book.spec.as_of for book in documents.price_books)
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    end = begin + int(loaded.scenario.spec.duration)
    return Metered(played, documents, [shifted(record, begin) for record in records], Window(begin, end))
