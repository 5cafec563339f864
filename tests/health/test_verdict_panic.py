"""When it is the probes that are doubted."""

from health.evidence import record
from health.states import State
from health.verdict import usable
from placement.columns import bools, ints
from placement.fleet import Backends
from tests.health.story import Story


def test_panic_when_most_backends_of_a_service_fail_takes_out_nobody_new() -> None:
    story = Story().fall(1)

    story.rounds(10, dead={0, 1, 2})

    assert usable(story.verdicts).tolist() == [True, False, True, True]
    assert story.verdicts.panic
    assert story.verdicts.doubted.tolist() == [True, False, True, False]
    assert story.state(0) == State.SUSPECT


def test_panic_when_it_is_over_condemns_who_still_fails() -> None:
    story = Story().rounds(10, dead={0, 1, 2})
    assert usable(story.verdicts).all()

    story.rounds(1, dead={0})

    assert usable(story.verdicts).tolist() == [False, True, True, True]
    assert not story.verdicts.panic


def test_panic_of_one_service_leaves_the_others_their_failover() -> None:
    two_services = Backends(service=ints([0, 0, 1, 1, 1]), cluster=ints([0, 1, 0, 1, 2]))
    story = Story(two_services).rounds(10, dead={0, 1, 2})

    assert usable(story.verdicts).tolist() == [True, True, False, True, True]
    assert story.verdicts.doubted.tolist() == [True, True, False, False, False]


def test_panic_when_most_clusters_go_dark_holds_every_service() -> None:
    """Each service loses half of its backends, which alone would be believed; but two of three clusters are dark."""
    backends = Backends(service=ints([0, 0, 1, 1]), cluster=ints([0, 2, 1, 2]))
    story = Story(backends).rounds(10, dead={0, 2})

    assert usable(story.verdicts).all()
    assert story.verdicts.doubted.tolist() == [True, False, True, False]


def test_panic_when_our_uplink_breaks_comes_before_the_first_is_taken_out() -> None:
    """Probes are spread over the interval: rows fail one after the other, and all have missed before one is counted."""
    story = Story()
    for miss in range(12):
        story.at_s += 0.02
        story.evidence = record(story.evidence, ints([miss % 4]), 0, bools([False]), story.at_s)
        story.judge()

    assert usable(story.verdicts).all()
    assert story.verdicts.doubted.all()
