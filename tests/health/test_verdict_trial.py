"""After an outage that only clients saw: TRIAL, with real requests of the trickle and probes that are content."""

from dataclasses import dataclass, field

import numpy as np

from health.rules import Rules
from health.states import State
from health.verdict import all_up, judge, usable, warmth
from placement.columns import bools, floats, ints
from placement.fleet import Backends
from scheduler.watch import ProbeWatch

BACKENDS = Backends(service=ints([0, 0, 0]), cluster=ints([0, 1, 2]))
CAPACITY_RPS = floats([400.0, 400.0, 400.0])
STEP_S = 0.1
USUAL_RPS = 100.0


@dataclass
class Outage:
    """Backend 0 answers every probe, and no request while `broken`; load reports come every STEP_S."""

    rules: Rules = field(default_factory=lambda: Rules(rise=4, ramp_s=10.0))
    broken: bool = True
    at_s: float = 1_000.0
    failed: int = 0
    owed: float = 0.0
    """Requests of the trickle that are due."""
    trials_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = ProbeWatch(3, self.rules, service=BACKENDS.service, cluster=BACKENDS.cluster)
        self.verdicts = all_up(3, self.at_s)

    def run(self, seconds: float) -> "Outage":
        for _ in range(round(seconds / STEP_S)):
            self.step()
        return self

    def step(self) -> None:
        self.at_s += STEP_S
        self.watch.report(ints([0, 1, 2]), bools([True, True, True]), self.at_s)
        part = warmth(self.verdicts, BACKENDS, self.at_s, self.rules, CAPACITY_RPS)
        self.owed += min(part[0] * CAPACITY_RPS[0], USUAL_RPS) * STEP_S
        asked = int(self.owed)
        self.owed -= asked
        bad = asked if self.broken else 0
        self.failed += bad
        answered, failed = floats([asked - bad, 10.0, 10.0]), floats([bad, 0.0, 0.0])
        self.watch.witness(ints([0, 1, 2]), answered, failed, self.at_s - STEP_S, self.at_s)
        before = self.verdicts.state[0]
        self.verdicts = judge(self.verdicts, self.watch.evidence(), BACKENDS, self.at_s, self.rules, CAPACITY_RPS)
        if self.verdicts.state[0] == State.TRIAL != before:
            self.trials_s.append(self.at_s)

    @property
    def state(self) -> State:
        return State(self.verdicts.state[0])


def test_unseen_outage_is_found_by_clients_and_tried_with_one_request_at_a_time_ever_later() -> None:
    outage = Outage().run(1.0)
    assert outage.state == State.DOWN
    found = outage.failed

    outage.run(900.0)

    gaps_s = np.diff(outage.trials_s)
    assert outage.failed - found <= 2 * len(outage.trials_s), "a trial costs a request or two, whatever the load"
    assert (gaps_s[1:] >= 1.5 * gaps_s[:-1]).any(), "each comes later than the one before"
    assert len(outage.trials_s) <= 10, outage.trials_s
    assert outage.state in {State.DOWN, State.PROBATION}


def test_trial_whose_clients_are_served_ramps_and_ends_in_service() -> None:
    outage = Outage().run(1.0)
    outage.broken = False
    seen = set()
    for _ in range(600):
        outage.step()
        seen.add(outage.state)

    assert {State.PROBATION, State.TRIAL, State.RAMP, State.UP} <= seen
    assert outage.state == State.UP
    assert not outage.verdicts.unseen.any()


def test_trial_gives_no_more_than_a_few_requests_a_second() -> None:
    outage = Outage().run(1.0)
    outage.broken = False
    while outage.state != State.TRIAL:
        outage.step()

    part = warmth(outage.verdicts, BACKENDS, outage.at_s, outage.rules, floats([10_000.0] * 3))

    assert part[0] * 10_000.0 == outage.rules.trial_rps


def test_trial_that_nobody_asks_ramps_after_a_while() -> None:
    outage = Outage(Rules(rise=4, trial_rps=0.0, trial_s=8.0)).run(1.0)
    outage.broken = False

    outage.run(40.0)

    assert outage.state in {State.RAMP, State.UP}


def test_fall_that_the_probes_saw_needs_no_trial() -> None:
    outage = Outage()
    for _ in range(5):
        outage.at_s += STEP_S
        outage.watch.report(ints([0, 1, 2]), bools([False, True, True]), outage.at_s)
        outage.verdicts = judge(outage.verdicts, outage.watch.evidence(), BACKENDS, outage.at_s, outage.rules)
    assert not usable(outage.verdicts)[0]
    outage.broken = False

    outage.run(20.0)

    assert outage.trials_s == []
