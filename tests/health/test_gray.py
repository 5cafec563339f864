import numpy as np

from health.gray import KEPT, LAST, Gray, Steps, carried_steps, ceiling_rps, no_steps, stepped
from health.passive import no_clients, observe
from health.rules import Rules
from placement.columns import bools, floats, ints

RULES = Rules(gray_check_s=3.0, gray_restore_s=30.0)
SERVICE = ints([0, 0, 0])
REPORT_S = 0.2


class Scene:
    """Three backends of one service whose clients report every 200 ms; load follows the ceilings."""

    def __init__(self, rps: float = 100.0) -> None:
        self.rps, self.at_s = rps, 50.0
        self.clients, self.steps = no_clients(3), no_steps(3)
        self.path: list[int] = []
        self.rng = np.random.default_rng(11)

    def run(self, seconds: float, errors: tuple[float, float, float], in_service: bool = True) -> "Scene":
        for _ in range(round(seconds / REPORT_S)):
            self.at_s += REPORT_S
            rate = np.minimum(self.rps, ceiling_rps(self.steps))
            asked = self.rng.poisson(rate * REPORT_S)
            bad = self.rng.binomial(asked, errors)
            never, from_s = floats([np.inf] * 3), floats([self.at_s - REPORT_S] * 3)
            self.clients = observe(self.clients, (floats(asked - bad), floats(bad)), SERVICE, never, from_s, self.at_s)
            self.steps = stepped(self.steps, self.clients, SERVICE, bools([in_service] * 3), self.at_s, RULES)
            self.path.append(int(self.steps.taken[0]))
        return self


def test_gray_backend_loses_load_in_steps_with_a_check_between() -> None:
    scene = Scene().run(5, (0.0, 0.0, 0.0)).run(40, (0.05, 0.0, 0.0))

    changes = [0, *np.flatnonzero(np.diff(scene.path))]
    assert sorted(set(scene.path)) == list(range(LAST + 1))
    assert (np.diff(scene.path) <= 1).all()
    assert min(np.diff(changes)[1:]) * REPORT_S >= RULES.gray_check_s - REPORT_S
    assert scene.steps.taken.tolist() == [LAST, 0, 0]
    assert 0.02 * 70 <= ceiling_rps(scene.steps)[0] <= 0.02 * 130


def test_gray_failure_that_the_others_catch_is_not_moved_further() -> None:
    scene = Scene().run(5, (0.0, 0.0, 0.0)).run(3, (0.08, 0.0, 0.0))
    assert scene.steps.taken[0] == 1

    scene.run(20, (0.08, 0.08, 0.08))

    assert max(scene.path) <= 2
    assert scene.steps.state[0] == Gray.STUCK
    assert scene.steps.taken.tolist() == [1, 0, 0]


def test_gray_backend_that_is_well_again_gets_its_load_back_step_by_step() -> None:
    scene = Scene(rps=1_000.0).run(2, (0.0, 0.0, 0.0)).run(30, (0.05, 0.0, 0.0))
    assert scene.steps.taken[0] == LAST

    scene.run(300, (0.0, 0.0, 0.0))

    assert scene.steps.state[0] == Gray.CLEAR
    assert np.isinf(ceiling_rps(scene.steps)).all()
    assert (np.diff(scene.path) >= -1).all()


def test_gray_relapse_doubles_the_time_until_load_is_given_back() -> None:
    scene = Scene(rps=1_000.0).run(2, (0.0, 0.0, 0.0)).run(30, (0.05, 0.0, 0.0))
    first_s = float(scene.steps.hold_s[0])
    while scene.steps.state[0] != Gray.RETURNING:
        scene.run(1, (0.0, 0.0, 0.0))

    scene.run(20, (0.3, 0.0, 0.0))

    assert first_s == RULES.gray_restore_s
    assert scene.steps.hold_s[0] == 2 * first_s


def test_gray_steps_of_a_backend_that_goes_out_start_anew() -> None:
    scene = Scene().run(5, (0.0, 0.0, 0.0)).run(10, (0.08, 0.0, 0.0))
    assert scene.steps.taken[0] > 0

    scene.run(0.2, (0.08, 0.0, 0.0), in_service=False)

    assert scene.steps.taken[0] == 0


def test_kept_parts_fall_by_a_quarter_and_leave_a_trickle() -> None:
    assert np.allclose(-np.diff(KEPT)[:-1], 0.25)
    assert 0 < KEPT[-1] <= 0.05


def test_carried_steps_follow_the_rows_of_a_new_fleet() -> None:
    scene = Scene().run(5, (0.0, 0.0, 0.0)).run(10, (0.08, 0.0, 0.0))

    after: Steps = carried_steps(scene.steps, ints([1, -1, 0]))

    assert after.taken.tolist() == [0, 0, scene.steps.taken[0]]
    assert len(carried_steps(no_steps(0), ints([-1]))) == 1
