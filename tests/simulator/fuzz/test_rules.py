"""The rules themselves: each says what is wrong, and no more than that. Turns are made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from health.states import State
from health.verdict import Verdicts
from placement.columns import floats, ints
from placement.cost import evaluate
from placement.plan import Plan, Reason
from placement.problem import Prices, Problem, formulate
from placement.quantize import Rounding, weight_tables
from placement.readings import Readings
from placement.routing import from_dense
from scheduler.hygiene import Rejections
from scheduler.policy import Policy
from scheduler.state import Mode, initial_state
from scheduler.turn import Turn
from simulator.fuzz.invariants import (
    DEAD_S,
    dead_is_found,
    doubt_before_panic,
    no_new_overload,
    nothing_to_the_dead,
    refuses_what_finds_no_room,
)
from simulator.fuzz.liveness import RESTLESS, SERVED, unsettled
from simulator.fuzz.seen import Seen, in_reach
from simulator.physics.books import Books
from simulator.physics.truth import undisturbed
from tests.placement.fleets import problem_of, snapshot_of

CAPACITY_RPS = 100.0
Shares = tuple[float, float, float]
"""What of a flow goes to each of two clusters, and what of it is refused."""
HOME, AWAY, REFUSED = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def world(rps: float, before: Shares) -> Problem:
    """One service in two clusters of equal capacity, with all demand at the first."""
    fleet = problem_of(0, services=1, clusters=2).fleet
    flows, backends = len(fleet.flows), len(fleet.backends)
    dense = np.zeros((flows, 3))
    dense[:, 0], dense[0] = 1.0, before
    demand = np.where(np.arange(flows) == 0, rps, 0.0)
    capacity, latency = np.full(backends, CAPACITY_RPS), np.full(backends, 5.0)
    declared = Readings(0.0, floats(demand), floats(capacity), floats(latency), floats(np.zeros(backends)))
    return formulate(fleet, snapshot_of(fleet, declared, from_dense(dense)), Prices())


def turn_of(problem: Problem, after: Shares, reason: Reason = Reason.SOLVED) -> Seen:
    """What was seen when a turn left the first flow there."""
    fleet, policy, dense = problem.fleet, Policy(), problem.standing.dense()
    dense[0] = after
    routing, backends = from_dense(dense), len(fleet.backends)
    none = floats(np.zeros(backends))
    declared = Readings(0.0, problem.demand_rps, problem.capacity_rps, none, none)
    snapshot = snapshot_of(fleet, declared, problem.standing)
    state = replace(initial_state(fleet, declared, {}, 1, 0.0), problem=problem)
    cost = evaluate(problem, routing)
    turn = Turn(
        1, 1, 0.0, 0.0, Mode.AUTO, snapshot, state.verdicts, (), Plan(routing, cost, reason),
        evaluate(problem, problem.standing), routing, cost, 1.0, (), {}, Rejections(), 0.0,
    )  # fmt: skip
    return Seen(
        policy, declared, Mode.AUTO, turn, state, {}, {}, frozenset(), False, undisturbed(fleet), none, none, none, 0.0
    )


@pytest.mark.parametrize("lives", [True, False])
def test_share_of_what_is_out_breaks_the_rule_unless_its_mesh_is_out_of_reach(lives: bool) -> None:
    seen = turn_of(world(40, HOME), HOME)
    verdicts, cluster = seen.after.verdicts, seen.fleet.backends.cluster
    down = replace(verdicts, state=ints(np.where(cluster == 0, State.DOWN, State.UP)))
    seen.truth.cluster_up[0] = lives

    tables = weight_tables(seen.after.problem, seen.turn.pushed, Rounding(), {})
    after = replace(seen, after=replace(seen.after, verdicts=down), stands=tables)

    homes = {words.split("@")[1].split()[0] for words in nothing_to_the_dead(after)}
    assert (str(seen.fleet.clusters.ids[0]) in homes) == lives


def test_failover_that_refuses_what_has_room_elsewhere_breaks_the_rule() -> None:
    assert list(refuses_what_finds_no_room(turn_of(world(40, HOME), REFUSED, Reason.FAILOVER)))


def test_failover_that_refuses_at_a_mesh_out_of_reach_breaks_no_rule() -> None:
    seen = turn_of(world(40, HOME), REFUSED, Reason.FAILOVER)
    seen.truth.mesh_reached[seen.fleet.flows.origin[0]] = False

    assert not list(refuses_what_finds_no_room(seen))


def test_failover_that_refuses_while_what_has_room_is_ramping_breaks_no_rule() -> None:
    seen = turn_of(world(40, HOME), REFUSED, Reason.FAILOVER)
    ramping = replace(seen.turn.snapshot, warmth=floats(np.full(len(seen.fleet.backends), 0.25)))

    assert not list(refuses_what_finds_no_room(replace(seen, turn=replace(seen.turn, snapshot=ramping))))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [(HOME, AWAY, Reason.FAILOVER), (HOME, REFUSED, Reason.SOLVED), (REFUSED, REFUSED, Reason.FAILOVER)],
    ids=["moved", "not a failover", "stood refused"],
)
def test_turn_that_refuses_no_more_than_stood_breaks_no_rule(before: Shares, after: Shares, reason: Reason) -> None:
    assert not list(refuses_what_finds_no_room(turn_of(world(40, before), after, reason)))


def test_failover_that_refuses_a_larger_part_of_what_was_refused_breaks_the_rule() -> None:
    half, more = (0.5, 0.0, 0.5), (0.2, 0.0, 0.8)

    assert list(refuses_what_finds_no_room(turn_of(world(40, half), more, Reason.FAILOVER)))


@pytest.mark.parametrize(("rps", "wrong"), [(104.0, False), (106.0, True)])
def test_step_that_fills_a_receiver_by_more_than_the_least_step_breaks_the_rule(rps: float, wrong: bool) -> None:
    seen = turn_of(world(rps, (0.1, 0.9, 0.0)), AWAY)

    assert bool(list(no_new_overload(seen))) == wrong


def test_step_that_takes_from_what_is_over_its_capacity_breaks_no_rule() -> None:
    assert not list(no_new_overload(turn_of(world(130, HOME), (0.9, 0.1, 0.0))))


@pytest.mark.parametrize(("looked_s", "wrong"), [(DEAD_S / 2, False), (DEAD_S * 2, True)])
def test_dead_backend_is_to_be_found_only_once_somebody_has_looked_long_enough(looked_s: float, wrong: bool) -> None:
    seen = turn_of(world(40, HOME), HOME)
    dead_s = np.full(len(seen.fleet.backends), 5 * DEAD_S)

    assert bool(list(dead_is_found(replace(seen, dead_s=dead_s, looked_s=looked_s)))) == wrong


@pytest.mark.parametrize(("alive_s", "wrong"), [(60.0, True), (1.0, False)], ids=["alive", "was gone"])
def test_clusters_that_are_out_break_the_rule_where_they_were_alive_when_they_went(alive_s: float, wrong: bool) -> None:
    seen = turn_of(world(40, HOME), HOME)
    out = all_out(seen.after.verdicts)
    ages = np.full(len(seen.fleet.backends), alive_s)

    found = list(doubt_before_panic(replace(seen, after=replace(seen.after, verdicts=out), alive_s=ages)))

    assert bool(found) == wrong


def all_out(verdicts: Verdicts) -> Verdicts:
    """Everything went out of service a second ago."""
    gone = np.full(len(verdicts), State.DOWN)
    return replace(verdicts, state=ints(gone), turned_at_s=floats(np.full(len(verdicts), -1.0)))


@pytest.mark.parametrize(("error_ratio", "reached"), [(0.3, True), (0.45, False)])
def test_backend_that_fails_as_in_an_outage_is_not_in_reach(error_ratio: float, reached: bool) -> None:
    fleet = problem_of(0, services=1, clusters=2).fleet
    truth = undisturbed(fleet)
    truth.error_ratio[:] = error_ratio

    assert in_reach(fleet, truth).all() == reached


def test_backend_behind_a_lost_gateway_is_not_in_reach() -> None:
    fleet = world(40, HOME).fleet
    truth = undisturbed(fleet)

    lost = replace(truth, gateway_up=np.arange(len(fleet.clusters)) != 0)

    assert in_reach(fleet, truth).all()
    assert (in_reach(fleet, lost) == (fleet.backends.cluster != 0)).all()


def books(served: float) -> Books:
    """One interval in which this part of the requests was answered well."""
    nothing = {name: np.zeros((1, 1)) for name in Books.__slots__}
    one = np.ones(1)
    told = {"starts_s": 0 * one, "length_s": one, "asked_rps": one[:, None], "good_rps": served * one[:, None]}
    return Books(**nothing | told)


@pytest.mark.parametrize(
    ("ends", "hasty", "wrong"),
    [
        ((REFUSED, REFUSED), True, ["near the optimum"]),
        ((HOME, REFUSED), True, []),
        ((REFUSED, HOME), True, []),
        ((REFUSED, REFUSED), False, []),
    ],
)
def test_end_is_near_the_optimum_in_one_of_the_last_turns_where_nothing_sets_the_pace(
    ends: tuple[Shares, ...], hasty: bool, wrong: list[str]
) -> None:
    recent = [turn_of(world(40, HOME), shares) for shares in ends]

    assert [name for name, _ in unsettled(recent, books(1.0), hasty)] == wrong


@pytest.mark.parametrize(
    ("rps", "served", "wrong"),
    [
        (40.0, SERVED - 0.001, True),
        (40.0, SERVED, False),
        (199.0, SERVED - RESTLESS, False),
        (199.0, SERVED - RESTLESS - 0.001, True),
        (250.0, 0.5, False),
    ],
    ids=["room", "room and served", "brimful", "brimful and lost more", "too much for all"],
)
def test_end_where_requests_are_lost_breaks_the_rule_unless_there_is_no_room(
    rps: float, served: float, wrong: bool
) -> None:
    half = (CAPACITY_RPS / rps, 1 - CAPACITY_RPS / rps, 0.0) if rps > CAPACITY_RPS else HOME
    recent = [turn_of(world(rps, half), half)]

    assert ("everybody is served" in dict(unsettled(recent, books(served), hasty=True))) == wrong
