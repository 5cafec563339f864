"""A lost way in, told from a lost cluster, and the row of the failover table that it chooses."""

from dataclasses import replace

import numpy as np

from health.rules import Rules
from health.states import State
from health.verdict import all_up, judge, usable
from placement.columns import bools, floats, ints
from placement.plan import Reason
from scheduler.drill_sight import Look, precedence
from scheduler.gateways import behind_since_s, cut_off
from scheduler.loop import tick
from scheduler.state import adopt
from scheduler.turn import Turn
from simulator.run import POLICY
from tests.scheduler.ports import Bench, bench, dearer

FRA = 1
LIVE = replace(POLICY, rules=Rules(hold_down_s=5.0, rise=3, ramp_s=0.0))


def probed(b: Bench, out: int | None = None, rounds: int = 3, dead: int | None = None) -> Bench:
    """Rounds of probes in which the gateway of a cluster lets nobody in, or all of a cluster is dead."""
    cluster = b.fleet.backends.cluster
    for _ in range(rounds):
        b.clock.at_s += 0.25
        b.watch.report(np.arange(len(cluster)), bools(cluster != dead), b.clock.at_s)
        known = ints([c for c in range(len(b.fleet.clusters)) if c != dead])
        b.watch.report_gateways(known, bools(known != out), b.clock.at_s)
    return b


def steady() -> Bench:
    b = bench(LIVE)
    b.watch.retarget(
        np.arange(len(b.fleet.backends)), LIVE.rules, service=b.fleet.backends.service,
        cluster=b.fleet.backends.cluster, clusters=len(b.fleet.clusters),
    )  # fmt: skip
    return b


async def turned(b: Bench, seconds: float = 0.0) -> Turn:
    b.clock.at_s += seconds
    b.measure()
    b.state, turn = await tick(b.state, b.ports, b.policy)
    return turn


async def test_lost_gateway_takes_its_row_of_the_table_and_leaves_the_inside_alone() -> None:
    b = steady()
    b.state = adopt(b.state, dearer(b.fleet, "ams", 30.0), b.desk.current.declared, 0.0, b.policy.conduct)
    b.fleet = b.state.fleet
    for _ in range(6):
        b.clock.at_s += 5.0
        await turned(probed(b))
    inside = b.fleet.origins.cluster[b.fleet.flows.origin] == FRA

    probed(b, out=FRA)
    assert b.watch.alarmed, "it does not wait for the next tick"
    turn = await turned(b)

    assert turn.plan.reason is Reason.FAILOVER
    assert turn.plan.detail == "gateway fra"
    assert [(c.backend, c.after) for c in turn.changes] == [("gateway fra", "DOWN")]
    assert usable(b.state.verdicts).all(), "nothing that stands behind it is out"
    there = (turn.pushed.column == FRA) & (turn.pushed.share > 0)
    assert inside[turn.pushed.row[there]].all(), "nobody is sent in from outside"
    assert there.any(), "whoever is inside stays"


async def test_gateway_that_is_back_is_used_again_after_its_hold_down() -> None:
    b = steady()
    probed(b, rounds=1)
    await turned(b, 5.0)
    probed(b, out=FRA)
    await turned(b)
    assert cut_off(b.state.gateways) is not None

    for _ in range(6):
        b.clock.at_s += 4.0
        turn = await turned(probed(b, rounds=4))

    assert cut_off(b.state.gateways) is None
    assert turn.plan.reason is Reason.SOLVED


async def test_cluster_that_dies_with_its_gateway_is_a_lost_cluster() -> None:
    b = steady()
    probed(b, rounds=1)
    await turned(b, 5.0)

    probed(b, dead=FRA)
    turn = await turned(b)

    assert turn.plan.detail == "cluster fra"
    assert usable(b.state.gateways).all()


async def test_drills_wait_while_a_gateway_is_lost() -> None:
    b = steady()
    probed(b, rounds=1)
    await turned(b, 5.0)
    probed(b, out=FRA)
    turn = await turned(b)

    assert precedence(Look(b.clock.at_s, 0.0, b.state, turn, 15.0), b.fleet) == "the gateway of fra is lost"


def test_backend_that_clients_condemned_with_its_gateway_is_back_at_once() -> None:
    b = steady()
    probed(b)
    backends, hit = b.fleet.backends, np.flatnonzero(b.fleet.backends.cluster == FRA)
    for _ in range(3):  # from outside nobody gets an answer; probes of endpoints are content
        b.clock.at_s += 0.1
        failed = floats(np.full(len(hit), 20.0))
        b.watch.witness(hit, failed * 0, failed, b.clock.at_s - 0.1, b.clock.at_s)
    verdicts = judge(all_up(len(backends), 0.0), b.watch.evidence(), backends, b.clock.at_s, LIVE.rules)
    assert (verdicts.state[hit] == State.DOWN).all(), "clients are quicker than the probes of the gateway"

    probed(b, out=FRA)
    fell_at_s = floats([-np.inf, b.clock.at_s, -np.inf])
    gateways = replace(all_up(3, 0.0), state=ints([0, State.DOWN, 0]), fell_at_s=fell_at_s)
    behind = behind_since_s(b.fleet, gateways)
    after = judge(verdicts, b.watch.evidence(), backends, b.clock.at_s, LIVE.rules, behind_since_s=behind)

    assert (after.state[hit] == State.UP).all()
    assert after.penalty[hit].max() < 1e-9
