"""Drills on simulated meshes, in the hands of the test: pre-conditions, precedence, harm, leases, outcomes."""

import asyncio
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from connectors.connector import Receipt
from connectors.rehearsal import Tally
from health.drill import Level, Phase
from health.probe import ProbeTarget
from placement.columns import ints
from placement.weights import WeightTable
from scheduler.drill_begin import DrillPorts, NotNow
from scheduler.drill_book import PathBook
from scheduler.drill_calendar import DrillPolicy, Window
from scheduler.drill_ledger import Json
from scheduler.drill_meter import SentMeter
from scheduler.drill_probes import Legs, PathProbes
from scheduler.drill_sight import Look
from scheduler.drills import Drills
from scheduler.loop import tick
from scheduler.ports import LedgerDown
from scheduler.state import Mode
from scheduler.turn import Turn
from simulator.run import in_place
from tests.scheduler.ports import Bench, bench

LOSS = "cluster fra"
POLICY_OF_DRILLS = DrillPolicy(step_s=6.0, hold_s=8.0, lease_s=5.0, kinds=())
LOOK_S = 0.5


@dataclass
class Store:
    """A drill store that can be told to fail."""

    broken: bool = False
    opened: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    closed: list[Json] = field(default_factory=list)

    async def open(self, body: Json) -> None:
        if self.broken:
            raise LedgerDown("disk full")
        self.opened.append(body)

    async def note(self, drill: str, event: Json) -> None:
        self.events.append(event)

    async def close(self, body: Json) -> None:
        self.closed.append(body)


@dataclass
class Plain:
    """A mesh that takes weights and cannot rehearse."""

    origin: str
    ratio: float = 0.0
    counts: Tally = field(default_factory=Tally)

    async def read(self) -> None:
        return None

    async def write(self, table: WeightTable) -> Receipt:
        return Receipt(table.origin, table.epoch, table.version, stored=True)


@dataclass
class Stage:
    """A bench with a loop that was ticked, and drills beside it."""

    bench: Bench
    store: Store
    drills: Drills
    probes: PathProbes
    policy: DrillPolicy
    turn: Turn | None = None

    async def tick(self) -> Turn:
        self.bench.measure(0.5)
        self.bench.state, self.turn = await tick(self.bench.state, self.bench.ports, self.bench.policy)
        return self.turn

    async def pass_s(self, seconds: float, answer: bool = True) -> None:
        """Time goes by: a tick a second, a look every half, and requests that all end well."""
        end_s = self.bench.clock.at_s + seconds
        while self.bench.clock.at_s < end_s:
            self.bench.clock.at_s += LOOK_S
            self.bench.watch.report(np.arange(6), np.ones(6, dtype=bool), self.bench.clock.at_s)
            if answer:
                self.count(rehearsed_failed=0)
            if self.bench.clock.at_s % 1 == 0:
                await self.tick()
            await self.drills.look()

    def count(self, rehearsed_failed: int) -> None:
        """A hundred requests on every mesh."""
        for mesh in self.bench.meshes.values():
            ours = round(100 * mesh.ratio)
            mesh.counts += Tally(ours, min(rehearsed_failed, ours), 100 - ours, 0)

    @property
    def ratios(self) -> set[float]:
        """What the meshes route the failover's way."""
        return {mesh.ratio for mesh in self.bench.meshes.values()}

    @property
    def ended(self) -> Json:
        """The one drill that is over."""
        assert self.drills.live is None
        return self.drills.ended[-1]

    async def until(self, phase: Phase) -> None:
        for _ in range(400):
            if self.drills.live is not None and self.drills.live.drill.phase is phase:
                return
            await self.pass_s(LOOK_S)
        raise AssertionError(f"never {phase}")


async def stage(policy: DrillPolicy = POLICY_OF_DRILLS) -> Stage:
    b = bench()
    for mesh in b.meshes.values():
        mesh._now_s = b.clock.now_s
    b.clock.at_s = 100.0
    probes = PathProbes(b.clock.wall_s)
    keys = len(b.fleet.flows) * len(b.fleet.clusters)
    targets = tuple(ProbeTarget("tcp", "192.0.2.1", port) for port in range(1, keys + 1))
    probes.replace(Legs(ints(range(keys)), ints(range(keys + 1)), ints(range(keys)), targets), 60.0)
    probes.good_at_s[:] = 1e9
    store = Store()
    made: Stage

    def look() -> Look | None:
        if made.turn is None:
            return None
        return Look(b.clock.at_s, b.clock.at_s, b.state, made.turn, silence_max_s=15.0)

    ports = DrillPorts(b.clock, b.watch, b.meshes, store, in_place, look, lambda: made.policy)
    made = Stage(b, store, Drills(ports, PathBook(probes), SentMeter()), probes, policy)
    await made.tick()
    await made.tick()
    await made.drills._follow(look() or pytest.fail("no look"))
    return made


async def test_canary_when_all_is_well_goes_there_and_back_and_covers_its_paths() -> None:
    s = await stage()
    before = s.drills.book.summary(s.bench.clock.at_s)["coverage24"]

    await s.drills.ask(Level.CANARY, LOSS, "test")
    seen = set()
    for _ in range(300):
        await s.pass_s(LOOK_S)
        seen |= s.ratios
        if s.drills.live is None:
            break

    assert s.ended["outcome"] == "SUCCEEDED", s.ended
    assert seen == {0.0, 0.01, 0.05, 0.1}
    assert s.ratios == {0.0}
    after = s.drills.book.summary(s.bench.clock.at_s)["coverage24"]
    assert before["L3"] == 0.0 < after["L3"] < 1.0
    assert after["L4"] == 0.0
    assert [e["phase"] for e in s.store.events] == [
        "ARMING",
        "AWAY",
        "AWAY",
        "AWAY",
        "BACK",
        "BACK",
        "BACK",
        "SUCCEEDED",
    ]
    assert s.ended["rehearsed_failed"] == 0 < s.ended["rehearsed_requests"]


async def test_full_drill_when_all_is_well_moves_everything_that_the_table_says() -> None:
    s = await stage()

    await s.drills.ask(Level.FULL, LOSS, "test")
    await s.until(Phase.AWAY)
    table = s.bench.meshes["fra"].armed
    await s.pass_s(60.0)

    assert table is not None
    assert all(t.cluster != "fra" for _, targets, _ in table.items() for t in targets if t.weight)
    assert s.ended["outcome"] == "SUCCEEDED", s.ended
    assert s.ended["ratio_max"] == 1.0
    assert s.ended["receivers"][0]["predicted"] <= 0.75


async def test_dry_push_when_accepted_moves_nothing_and_is_forgotten() -> None:
    s = await stage()

    await s.drills.ask(Level.DRY_PUSH, LOSS, "test")
    await s.pass_s(3.0)

    assert s.ended["outcome"] == "SUCCEEDED"
    assert s.ratios == {0.0}
    assert all(mesh.armed is None for mesh in s.bench.meshes.values())


async def test_dry_push_when_a_mesh_says_no_fails_with_its_words() -> None:
    s = await stage()
    s.bench.meshes["fra"].objection = "weights of a blue route must be even"

    await s.drills.ask(Level.DRY_PUSH, LOSS, "test")
    await s.pass_s(3.0)

    assert s.ended["outcome"] == "FAILED"
    assert "blue route" in s.ended["reason"]


async def test_drill_when_a_cluster_really_dies_is_taken_back_before_the_next_tick_and_proves_nothing() -> None:
    s = await stage()
    await s.drills.ask(Level.FULL, LOSS, "test")
    await s.until(Phase.AWAY)
    await s.pass_s(9.0)
    assert s.ratios & {0.1, 0.5}

    s.bench.probe(dead="ams")
    await s.drills._urgent()
    await s.drills.look()

    assert s.drills.live is not None
    assert (s.drills.live.drill.phase, s.ratios) == (Phase.YIELDING, {0.0})
    await s.drills.look()
    assert s.ended["outcome"] == "INTERRUPTED"
    assert s.drills.book.summary(s.bench.clock.at_s)["coverage24"]["L4"] == 0.0


async def test_drill_when_an_operator_freezes_yields() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    s.bench.desk.now = Mode.FROZEN
    await s.pass_s(2.0)

    assert (s.ended["outcome"], s.ended["reason"]) == ("INTERRUPTED", "mode is frozen")


async def test_drill_when_the_loop_is_in_safe_mode_yields_and_none_begins() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)
    assert s.turn is not None

    s.turn = replace(s.turn, safe=("the clock jumped",))
    await s.drills.look()
    await s.drills.look()

    assert (s.ended["outcome"], s.ended["reason"]) == ("INTERRUPTED", "SAFE mode: the clock jumped")
    with pytest.raises(NotNow, match="the clock jumped"):
        await s.drills.ask(Level.CANARY, LOSS, "test")


async def test_drill_when_aborted_is_back_at_the_next_look() -> None:
    s = await stage()
    begun = await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    assert not s.drills.abort("d-9-9", "")
    assert s.drills.abort(begun["id"], "lunch")
    await s.drills.look()

    assert s.ratios == {0.0}
    await s.drills.look()
    assert (s.ended["outcome"], s.ended["reason"]) == ("INTERRUPTED", "lunch")
    assert s.ended["revert_s"] == 0.0


async def test_drill_when_its_requests_fail_is_taken_back_and_has_failed() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    for _ in range(20):
        s.count(rehearsed_failed=1)
        await s.pass_s(LOOK_S, answer=False)
        if s.drills.live is None:
            break

    assert s.ended["outcome"] == "FAILED"
    assert "rehearsed requests failed" in s.ended["reason"]
    assert s.ratios == {0.0}


async def test_drill_when_telemetry_goes_dark_yields() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    for _ in range(40):
        s.bench.clock.at_s += LOOK_S
        await s.drills.look()

    assert s.ended["outcome"] == "INTERRUPTED"
    assert "nothing was measured" in s.ended["reason"]


async def test_drill_when_nobody_renews_its_lease_lapses_in_the_mesh() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)
    assert s.ratios & {0.01}

    s.bench.clock.at_s += POLICY_OF_DRILLS.lease_s

    assert s.ratios == {0.0}


async def test_drill_when_its_task_is_cancelled_takes_everything_back() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    running = asyncio.create_task(s.drills.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert s.ratios == {0.0}


async def test_drills_when_they_have_a_fault_stop_aloud_and_take_everything_back() -> None:
    s = await stage()
    await s.drills.ask(Level.CANARY, LOSS, "test")
    await s.until(Phase.AWAY)

    def broken() -> Look | None:
        raise RuntimeError("a bug")

    s.drills.ports = replace(s.drills.ports, look=broken)
    await s.drills.run()

    assert s.ratios == {0.0}
    assert not s.drills.moving, "the optimizer need not wait for ever"
    with pytest.raises(NotNow, match="a bug"):
        await s.drills.ask(Level.CANARY, LOSS, "test")


async def test_drill_when_the_receivers_are_full_ends_before_it_begins() -> None:
    s = await stage(replace(POLICY_OF_DRILLS, envelope=replace(POLICY_OF_DRILLS.envelope, utilization_start_max=0.2)))

    await s.drills.ask(Level.FULL, LOSS, "test")
    await s.pass_s(2.0)

    assert s.ended["outcome"] == "CAPACITY_CHECK_FAILED"
    assert "above 20%" in s.ended["reason"]
    assert all(mesh.armed is None for mesh in s.bench.meshes.values())


async def test_drill_when_no_mesh_of_it_knows_a_lease_or_can_be_reached_does_not_begin() -> None:
    s = await stage()
    s.bench.meshes["fra"].reachable = False
    with pytest.raises(NotNow, match="fra: unreachable"):
        await s.drills.ask(Level.CANARY, LOSS, "test")

    s.bench.meshes["fra"] = Plain("fra")  # type: ignore[index, assignment]

    with pytest.raises(NotNow, match="fra: its mesh cannot rehearse: it knows no lease"):
        await s.drills.ask(Level.DRY_PUSH, LOSS, "test")


async def test_ask_when_pre_conditions_do_not_hold_says_all_of_them() -> None:
    always = Window(frozenset(range(7)), 0, 24 * 60)
    s = await stage(replace(POLICY_OF_DRILLS, blocked=(always,)))
    s.probes.good_at_s[:] = -np.inf

    with pytest.raises(NotNow, match=r"blocked window.*legs had no good answer"):
        await s.drills.ask(Level.CANARY, LOSS, "test")
    assert s.drills.live is None


async def test_ask_when_a_drill_is_under_way_or_the_ledger_is_down_or_nobody_knows_the_loss_is_refused() -> None:
    s = await stage()
    with pytest.raises(NotNow, match="there are: cluster ams"):
        await s.drills.ask(Level.CANARY, "cluster mars", "test")
    s.store.broken = True
    with pytest.raises(NotNow, match="disk full"):
        await s.drills.ask(Level.CANARY, LOSS, "test")
    s.store.broken = False
    await s.drills.ask(Level.CANARY, LOSS, "test")
    with pytest.raises(NotNow, match="one drill at a time"):
        await s.drills.ask(Level.CANARY, LOSS, "test")


async def test_ask_for_a_proof_has_its_result_at_once() -> None:
    s = await stage()

    assert (await s.drills.ask(Level.PROOF, LOSS, "test"))["outcome"] == "SUCCEEDED"


async def test_calendar_when_dry_pushes_are_due_does_them_one_after_the_other() -> None:
    s = await stage(replace(POLICY_OF_DRILLS, kinds=("cluster",)))

    await s.pass_s(20.0)

    assert {body["loss"] for body in s.drills.ended} == {"cluster ams", "cluster fra", "cluster iad"}
    assert {body["outcome"] for body in s.drills.ended} == {"SUCCEEDED"}
    assert s.drills.book.summary(s.bench.clock.at_s)["coverage24_by_kind"]["cluster"]["L2"] == 1.0


async def test_proofs_when_the_loop_ticks_cover_every_path_and_stay_fresh() -> None:
    s = await stage()
    await s.pass_s(10.0)

    summary = s.drills.book.summary(s.bench.clock.at_s)
    assert summary["coverage24"]["L0"] == summary["proof_coverage"] == 1.0
    assert summary["oldest_unverified_path_age_s"] == summary["oldest_proof_age_s"] <= 60.0
