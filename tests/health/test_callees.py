"""A caller fails with what it calls: clients count it at both, and only one of them is at fault."""

from dataclasses import dataclass

import numpy as np
import pytest

from health.callees import failing_callees
from health.doubt import Burden
from health.passive import no_clients
from health.rules import Rules
from health.verdict import all_up, judge, usable
from placement.columns import bools, floats, ints
from placement.fleet import Backends, Calls
from scheduler.watch import ProbeWatch

CALLER, CALLED = [0, 1], [2, 3]
BACKENDS = Backends(service=ints([0, 0, 1, 1]), cluster=ints([0, 1, 0, 1]))
CALLS = Calls(parent=ints([0]), child=ints([1]), per_request=floats([1.24]))
CAPACITY_RPS = floats([200.0, 200.0, 40.0, 200.0])
STEP_S = 0.25
ROWS = ints([0, 1, 2, 3])


@dataclass
class Chain:
    """A service in two clusters that calls another, which is overloaded in the first; probes are content."""

    calls: Calls | None = CALLS
    at_s: float = 1_000.0

    def __post_init__(self) -> None:
        self.watch = ProbeWatch(4, Rules(), service=BACKENDS.service, cluster=BACKENDS.cluster)
        self.verdicts = all_up(4, self.at_s)

    def run(
        self, seconds: float, failing: dict[int, float], unprobed: tuple[int, ...] = (), more_rps: float = 0.0
    ) -> "Chain":
        """Clients of each backend fail in that part of their requests, `more_rps` of them at the second caller."""
        for _ in range(round(seconds / STEP_S)):
            self.at_s += STEP_S
            self.watch.report(ROWS, bools([row not in unprobed for row in range(4)]), self.at_s)
            planned = np.array([20.0, 20.0 + more_rps, 50.0, 20.0])
            asked = planned * STEP_S
            bad = asked * [failing.get(row, 0.0) for row in range(4)]
            self.watch.witness(ROWS, floats(asked - bad), floats(bad), self.at_s - STEP_S, self.at_s)
            told = self.watch.evidence()
            burden = Burden(floats(planned), floats(np.zeros(4)))
            self.verdicts = judge(
                self.verdicts, told, BACKENDS, self.at_s, Rules(), CAPACITY_RPS, calls=self.calls, burden=burden
            )
        return self

    @property
    def out(self) -> list[int]:
        return np.flatnonzero(~usable(self.verdicts)).tolist()


def test_caller_that_fails_with_an_overloaded_callee_stays_in_service() -> None:
    failing = {1: 0.9, 2: 0.8}

    assert Chain().run(5, {}).run(20, failing).out == []
    assert Chain(calls=None).run(5, {}).run(20, failing).out == [1]


def test_caller_stays_while_calls_of_before_end_late_elsewhere() -> None:
    chain = Chain().run(5, {}).run(5, {1: 0.9, 2: 0.8})

    assert chain.run(1, {1: 0.9}).run(5, {}).out == []


def test_caller_that_fails_alone_is_out_at_once() -> None:
    assert Chain().run(5, {}).run(1, {1: 1.0}).out == [1]


def test_caller_that_fails_far_more_than_its_callee_is_out() -> None:
    assert Chain().run(5, {}).run(10, {1: 1.0, 2: 0.3}).out == [1]


def test_caller_that_has_just_got_its_load_stays_while_its_callee_is_found_out() -> None:
    chain = Chain().run(5, {}).run(STEP_S, {3: 1.0})

    assert chain.run(STEP_S, {1: 0.9, 3: 1.0}, more_rps=140.0).out == [3]


def test_caller_that_has_just_got_its_load_and_fails_alone_is_out_at_once() -> None:
    assert Chain().run(5, {}).run(STEP_S, {1: 0.9}, more_rps=140.0).out == [1]


def test_caller_that_the_probes_miss_as_well_is_out_whatever_its_callee_does() -> None:
    assert Chain().run(5, {}).run(1, {1: 1.0, 2: 1.0}, unprobed=(1,)).out == [1]


def test_callee_itself_is_not_excused_by_who_calls_it() -> None:
    assert Chain().run(5, {}).run(2, {0: 1.0, 1: 1.0, 3: 1.0}).out[-1:] == [3]


@pytest.mark.parametrize("calls", [CALLS, Calls(ints([]), ints([]), floats([]))])
def test_failing_callees_when_nobody_fails_are_none(calls: Calls) -> None:
    assert failing_callees(no_clients(0), BACKENDS.service, calls, 0.0) is None
    assert failing_callees(no_clients(4), BACKENDS.service, calls, 0.0) is None


def test_failing_callees_are_the_worst_of_each_called_service_times_the_calls() -> None:
    told = Chain().run(5, {}).run(5, {2: 0.5}).watch.evidence().clients

    below = failing_callees(told, BACKENDS.service, CALLS, 1_010.0)

    assert below is not None
    assert below[CALLER] == pytest.approx(1.24 * told.error_ratio()[2])
    assert below[CALLED].tolist() == [0.0, 0.0]
