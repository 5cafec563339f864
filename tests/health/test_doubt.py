import numpy as np
import pytest

from health.doubt import Burden
from health.evidence import Evidence, no_evidence, record, with_clients
from health.passive import observe
from health.quorum import missing_since_s
from health.rules import Rules
from health.states import State
from health.verdict import Verdicts, all_up, judge, usable
from placement.columns import bools, floats, ints
from placement.fleet import Backends

RULES = Rules(fall=3)
FIVE = Backends(service=ints([0] * 5), cluster=ints(range(5)))
REPORT_S = 0.2


class Scene:
    """Probes every 250 ms and load reports every 200 ms of a service in five clusters."""

    def __init__(
        self, backends: Backends = FIVE, rules: Rules = RULES, rps: float = 100.0, capacity_rps: float = 1e3
    ) -> None:
        self.backends, self.rules, self.rps, self.at_s = backends, rules, rps, 100.0
        self.capacity_rps = floats(np.full(len(backends), capacity_rps))
        self.evidence: Evidence = no_evidence(len(backends))
        self.verdicts: Verdicts = all_up(len(backends), self.at_s)
        self.ever_contradicted = np.zeros(len(backends), dtype=bool)
        self.burden: Burden | None = None

    def run(
        self,
        seconds: float,
        unprobed: set[int] | None = None,
        failing: set[int] | None = None,
        part: float = 1.0,
        hanging: set[int] | None = None,
    ) -> "Scene":
        """Probes miss `unprobed`; clients of `failing` fail in that `part` of their requests, of `hanging` none ends.
        rps 0: no clients.
        """
        rows = len(self.backends)
        for _ in range(round(seconds / 0.05)):
            self.at_s = round(self.at_s + 0.05, 3)
            step = round(self.at_s / 0.05)
            if step % 5 == 0:
                ok = bools([row not in (unprobed or set()) for row in range(rows)])
                self.evidence = record(self.evidence, ints(range(rows)), 0, ok, self.at_s)
            if step % 4 == 0 and self.rps:
                bad = np.array([part * (row in (failing or set())) for row in range(rows)]) * self.rps * REPORT_S
                ends = np.array([row not in (hanging or set()) for row in range(rows)])
                counts = (floats((self.rps * REPORT_S - bad) * ends), floats(bad * ends))
                since_s, from_s = missing_since_s(self.evidence), floats([self.at_s - REPORT_S] * rows)
                told = bools(np.ones(rows, dtype=bool))
                news = observe(self.evidence.clients, counts, self.backends.service, since_s, from_s, self.at_s, told)
                self.evidence = with_clients(self.evidence, news)
            asked = (self.evidence, self.backends, self.at_s, self.rules, self.capacity_rps)
            self.verdicts = judge(self.verdicts, *asked, burden=self.burden)
            self.ever_contradicted |= self.verdicts.contradicted
        return self

    @property
    def out(self) -> list[int]:
        return np.flatnonzero(~usable(self.verdicts)).tolist()


def test_probes_dead_and_clients_served_well_moves_nothing_and_is_said() -> None:
    scene = Scene().run(5).run(30, unprobed={1})

    assert scene.out == []
    assert scene.verdicts.contradicted.tolist() == [False, True, False, False, False]
    assert scene.verdicts.state[1] == State.SUSPECT


def test_probes_dead_and_nobody_asks_takes_out() -> None:
    assert Scene(rps=0).run(2, unprobed={1}).out == [1]


def test_probes_dead_and_too_few_clients_to_tell_takes_out() -> None:
    assert Scene(rps=10).run(5).run(2, unprobed={1}).out == [1]


def test_probes_dead_and_clients_fail_takes_out_within_a_second() -> None:
    assert Scene().run(5).run(1, unprobed={1}, failing={1}).out == [1]


def test_probes_dead_and_requests_that_stop_to_end_takes_out_without_waiting_for_testimony() -> None:
    patient = Rules(fall=3, testimony_s=5.0)

    assert Scene(rules=patient).run(5).run(1, unprobed={1}, hanging={1}).out == [1]
    assert Scene(rules=patient).run(5).run(1, unprobed={1}).out == []


def test_clients_that_turn_from_content_to_failing_are_believed_at_once() -> None:
    scene = Scene().run(5).run(60, unprobed={1})
    assert scene.out == []

    scene.run(0.5, unprobed={1}, failing={1})

    assert scene.out == [1]


def test_all_requests_failing_takes_out_though_the_probes_are_content() -> None:
    assert Scene().run(5).run(0.45, failing={1}).out == [1]


def test_all_requests_failing_of_more_than_it_can_serve_keeps_an_overloaded_backend() -> None:
    assert Scene(rps=100, capacity_rps=80).run(5).run(10, failing={1}).out == []


@pytest.mark.parametrize(("planned_rps", "out"), [(80.0, []), (60.0, [1])])
def test_overload_that_some_meshes_cannot_tell_is_known_by_what_is_planned(planned_rps: float, out: list[int]) -> None:
    scene = Scene(rps=40, capacity_rps=80)
    scene.burden = Burden(floats([40, planned_rps, 40, 40, 40]), floats(np.zeros(5)))

    assert scene.run(5).run(10, failing={1}).out == out


@pytest.mark.parametrize(("waiting", "out"), [(1.0, []), (0.3, [1])])
def test_late_answers_of_who_waits_for_what_is_full_are_no_outage(waiting: float, out: list[int]) -> None:
    scene = Scene(rps=40, capacity_rps=80)
    scene.burden = Burden(floats([40] * 5), floats([0, waiting, 0, 0, 0]))

    assert scene.run(5).run(10, failing={1}).out == out
    assert scene.run(5, unprobed={1}, failing={1}).out == [1]


def test_answers_late_from_the_queue_of_an_overload_keep_the_backend_until_it_must_have_drained() -> None:
    scene = Scene(rps=100, capacity_rps=80).run(5).run(3, failing={1})
    scene.rps = 40.0

    assert scene.run(20, failing={1}).out == []
    assert scene.run(20, failing={1}).out == [1]


def test_part_of_the_requests_failing_takes_nobody_out() -> None:
    scene = Scene().run(5).run(20, failing={1}, part=0.2)

    assert scene.out == []
    assert scene.verdicts.steps.taken[1] > 0


@pytest.mark.parametrize(("rps", "out"), [(0.0, []), (100.0, [0, 1, 2])])
def test_more_than_the_budget_goes_out_only_when_clients_confirm(rps: float, out: list[int]) -> None:
    assert Scene(rps=rps).run(5).run(3, unprobed={0, 1, 2}, failing={0, 1, 2}).out == out


def test_second_cluster_of_a_budget_of_one_stays_until_clients_confirm() -> None:
    scene = Scene(rps=0).run(5).run(3, unprobed={0}).run(3, unprobed={0, 1})
    assert scene.out == [0]
    assert scene.verdicts.doubted.tolist() == [False, True, False, False, False]

    scene.rps = 100.0
    scene.run(3, unprobed={0, 1}, failing={0, 1})

    assert scene.out == [0, 1]


def test_service_whose_backends_all_fail_keeps_them_all() -> None:
    everything = set(range(5))

    assert Scene().run(5).run(5, unprobed=everything, failing=everything).out == []


def test_capacity_budget_counts_capacity_and_not_backends() -> None:
    """Two of six backends are a third of the backends, and two thirds of the capacity."""
    backends = Backends(service=ints([0] * 6), cluster=ints(range(6)))
    evidence = no_evidence(6)
    for at_s in (1.0, 1.25, 1.5):
        evidence = record(evidence, ints(range(6)), 0, bools([False, False, *[True] * 4]), at_s)
    rules = Rules(ejection_ratio=1.0)
    alike = judge(all_up(6, 0.0), evidence, backends, 1.5, rules, floats([1.0] * 6))
    large = judge(all_up(6, 0.0), evidence, backends, 1.5, rules, floats([4.0, 4.0, 1, 1, 1, 1]))

    assert (~usable(alike)).sum() == 2
    assert usable(large).all()
