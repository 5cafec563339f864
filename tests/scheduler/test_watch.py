import numpy as np

from health.rules import Rules
from placement.columns import bools, floats, ints
from scheduler.watch import BEAT_S, ProbeWatch

ALL = ints([0, 1, 2])


def watch(quorum: int = 1, vantages: int = 1) -> ProbeWatch:
    return ProbeWatch(3, Rules(quorum=quorum), vantages, service=ints([0, 0, 0]), cluster=ALL)


def miss(observed: ProbeWatch, times: int, vantage: int = 0, at_s: float = 10.0) -> None:
    for number in range(times):
        observed.report(ALL, bools([False, True, True]), at_s + number / 4, vantage)


def test_alarm_rings_once_when_a_quorum_has_condemned() -> None:
    observed = watch(quorum=2, vantages=2)
    miss(observed, 3, vantage=0)
    assert not observed.alarmed

    miss(observed, 3, vantage=1)
    assert observed.alarmed
    observed.evidence()
    miss(observed, 3, at_s=11.0)

    assert not observed.alarmed


def test_alarm_rings_when_all_that_clients_ask_fails() -> None:
    observed = watch()

    observed.witness(ints([1]), floats([0]), floats([20]), 9.8, 10.0)

    assert observed.alarmed
    assert observed.evidence().clients.failed.tolist() == [0, 20, 0]


def test_alarm_rings_when_a_part_of_the_requests_fails() -> None:
    observed = watch()
    for block in range(40):
        observed.witness(ints([0, 1]), floats([20, 18]), floats([0, 2]), block / 5, block / 5 + 0.2)

    assert observed.alarmed


def test_alarm_rings_again_when_clients_confirm_what_probes_said() -> None:
    observed = watch()
    miss(observed, 4)
    observed.evidence()

    observed.witness(ints([0]), floats([0]), floats([20]), 10.8, 11.0)

    assert observed.alarmed


def test_reports_within_a_beat_are_taken_in_with_the_next_one() -> None:
    observed = watch()
    for proxy in range(3):
        observed.witness(ints([0]), floats([10]), floats([0]), 9.8, 10.0 + proxy * BEAT_S / 10)
    assert observed.evidence().clients.answered[0] == 10

    miss(observed, 1, at_s=10.1)

    assert 29 < observed.evidence().clients.answered[0] <= 30


def test_retargeted_watch_keeps_what_vantages_saw_of_what_stayed() -> None:
    observed = watch(vantages=2)
    miss(observed, 2, vantage=1)

    observed.retarget(ints([2, 0]), Rules(), ints([1, -1]), service=ints([0, 0]), cluster=ints([0, 1]))

    assert observed.evidence().fails.tolist() == [[0, 0], [2, 0]]
    assert len(observed.evidence().clients) == 2
    assert np.isneginf(observed.evidence().last_at_s[:, 1]).all()
