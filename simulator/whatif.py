"""One what-if run for a running controller, in a process of its own: see simulator.apart.

`python -m simulator.whatif` reads a question as one line of JSON and writes its progress, then its answer, so too.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from config.problem import Invalid
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.jobs import Tell, Wrong
from scheduler.preview import standing_tables
from simulator.live import events_of, from_ledger
from simulator.physics.demand import NoData
from simulator.play import Played, play
from simulator.results import Json, result_of
from simulator.rivals import EQUIPOISE, RIVALS
from simulator.scenario.load import Loaded, checked, load_scenario
from simulator.variants import with_events

POINTS = 240
EACH = 0.01
"""Progress that is worth a line."""


def answer(asked: Mapping[str, Any], tell: Tell) -> Json:
    """All policies one after the other, and the same time without the events. Raises Wrong."""
    unknown = sorted(set(asked["policies"]) - {EQUIPOISE, *RIVALS})
    if unknown:
        raise Wrong(f"no policy {', '.join(unknown)}; there are {', '.join([EQUIPOISE, *sorted(RIVALS)])}")
    try:
        loaded, tables, source = staged(asked, asked["events"])
        calm, _, _ = staged(asked, [])
        runs = [(calm, EQUIPOISE, "without the events"), *((loaded, who, who) for who in asked["policies"])]
        played = [_played(run, tables, i / len(runs), len(runs), tell) for i, run in enumerate(runs)]
    except (Invalid, NoData) as wrong:
        raise Wrong(str(wrong)) from None
    results = [
        result_of(one) | {"name": name, "series": series(one)} for one, (_, _, name) in zip(played, runs, strict=True)
    ]
    return {"format_version": 1, "starts_from": source, "runs": results}


def staged(asked: Mapping[str, Any], events: Sequence[str]) -> tuple[Loaded, Mapping[OriginId, WeightTable], str]:
    """The fleet of the documents, or of a scenario, through some events from the weights that stand. Raises Invalid."""
    paths, seconds = [Path(name) for name in asked["documents"]], 60 * float(asked["minutes"])
    if not asked.get("scenario"):
        return asyncio.run(from_ledger(paths, events, seconds))
    loaded = with_events(load_scenario(Path(asked["scenario"])), events_of(events), seconds)
    checked(loaded.scenario, loaded.file)
    tables, source = asyncio.run(standing_tables(asked["ledger"]))
    return loaded, tables, source


def _played(
    run: tuple[Loaded, str, str], tables: Mapping[OriginId, WeightTable], before: float, runs: int, tell: Tell
) -> Played:
    loaded, who, _ = run
    whole_s = loaded.scenario.spec.duration

    def progress(now_s: float) -> None:
        tell(before + max(0.0, min(now_s / whole_s, 1.0)) / runs)

    return play(loaded, who, progress=progress, tables=tables or None)


def series(played: Played) -> Json:
    """What charts show of a run, thinned out: requests/s asked, answered well and refused; worst use; $/h."""
    books = played.books
    times = books.starts_s + books.length_s / 2
    rows = np.unique(np.linspace(0, len(times) - 1, min(POINTS, len(times))).astype(int))
    usd = books.compute_usd + books.egress_usd + books.waiting_usd + books.refusing_usd
    columns = {
        "asked_rps": books.asked_rps.sum(axis=1),
        "good_rps": books.good_rps.sum(axis=1),
        "refused_rps": books.shed_rps.sum(axis=1),
        "utilization": books.utilization.max(axis=1, initial=0.0),
        "usd_per_hour": usd,
    }
    return {"at_s": _listed(times[rows])} | {name: _listed(value[rows]) for name, value in columns.items()}


def _listed(column: Any) -> list[float]:
    return [round(float(value), 4) for value in np.nan_to_num(column, posinf=0.0, neginf=0.0)]


def main() -> None:
    """One question, its progress, its answer."""
    told = 0.0

    def say(words: Json) -> None:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()

    def tell(progress: float) -> None:
        nonlocal told
        if progress - told >= EACH:
            told = progress
            say({"progress": round(progress, 4)})

    try:
        say({"result": answer(json.loads(sys.stdin.readline()), tell)})
    except Wrong as wrong:
        say({"error": str(wrong)})


if __name__ == "__main__":
    main()
