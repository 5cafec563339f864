from dataclasses import replace

import numpy as np

from health.drill import Level
from scheduler.drill_book import PathBook, times
from scheduler.drill_ledger import Entry
from scheduler.drill_paths import of_loss
from scheduler.drill_sight import Look
from tests.scheduler.ports import dearer
from tests.scheduler.stage import LOSS, Stage, stage


def look(s: Stage) -> Look:
    found = s.drills.ports.look()
    assert found is not None
    return found


async def followed(s: Stage, book: PathBook) -> PathBook:
    """The book after one look at the loop."""
    seen = look(s)
    paths = book.paths_now(seen)
    assert paths is not None
    book.follow(paths, seen)
    return book


async def test_paths_of_a_loss_are_the_flows_it_hits_with_every_leg_they_would_take() -> None:
    s = await stage()
    book = s.drills.book
    assert book.paths is not None

    flows = [s.bench.fleet.flow_name(f) for f in book.flows_of(LOSS).tolist()]
    legs = book.legs_of(LOSS)
    clusters = set((legs % len(s.bench.fleet.clusters)).tolist())

    assert flows == ["front@fra"], "what fra's front end calls there is gone with its caller"
    assert clusters <= {0, 2}
    assert clusters, "no leg leads to the lost cluster itself"
    assert of_loss(book.paths, book.losses[LOSS]).sum() == 1


async def test_coverage_when_the_controller_starts_anew_is_what_the_ledger_remembers() -> None:
    s = await stage()
    drilled = {"outcome": "SUCCEEDED", "level_name": "CANARY", "loss": LOSS, "ended_wall_s": 100.0}
    flows = ["front@fra", "front@gone"]
    book = PathBook(s.probes)

    book.restore([Entry({**drilled, "flows": flows}), Entry({**drilled, "outcome": "FAILED", "flows": flows})])
    await followed(s, book)

    found = book.summary(s.bench.clock.at_s)["coverage24_by_kind"]["cluster"]
    assert 0 < found["L3"] < 1
    assert found["L4"] == 0
    later = book.summary(100.0 + 86_401)["coverage24_by_kind"]["cluster"]
    assert later["L3"] == 0, "a day later it is no proof any more"


async def test_coverage_when_the_fleet_is_reloaded_is_found_by_name() -> None:
    s = await stage()
    book = s.drills.book
    book.succeed(Level.FULL, LOSS, book.flows_of(LOSS), 100.0)
    before = book.summary(100.0)["coverage24"]["L4"]
    fleet = dearer(s.bench.fleet, "iad", 1.5)
    state = s.bench.state
    assert state.problem is not None
    s.bench.state = replace(state, fleet=fleet, problem=replace(state.problem, fleet=fleet))

    await followed(s, book)

    assert book.fleet is fleet
    assert before > 0
    assert np.isclose(book.summary(100.0)["coverage24"]["L4"], before)


async def test_name_of_a_path_says_which_flow_and_which_loss() -> None:
    s = await stage()
    book = s.drills.book
    assert book.paths is not None
    key = int(book.book.key[of_loss(book.paths, book.losses[LOSS])][0])

    assert book.name(key) == "front@fra after the loss of cluster fra"
    assert book.name(-1) == ""


def test_times_when_there_are_none_are_unknown() -> None:
    assert times([]) == (None, None)
    assert times([3.0, 1.0, 2.0]) == (2.0, 3.0)
