import numpy as np

from placement.emergency import allowed, newly_lost, not_refused
from tests.placement.fleets import problem_of

FLEET = problem_of(0, services=6, clusters=7).fleet


def without(*clusters: int) -> np.ndarray:
    """(B,) usable when some clusters are gone."""
    return ~np.isin(FLEET.backends.cluster, clusters)


def test_newly_lost_clusters_that_are_a_region_count_as_one_domain() -> None:
    everything = without()

    assert [e.domain for e in newly_lost(FLEET, everything, without(3))] == ["cluster cluster-003"]
    assert [e.domain for e in newly_lost(FLEET, everything, without(0, 1, 2))] == ["region region-000"]
    assert {e.domain for e in newly_lost(FLEET, everything, without(0, 3))} == {
        "cluster cluster-000",
        "cluster cluster-003",
    }
    assert newly_lost(FLEET, without(3), without(3)) == ()


def test_newly_lost_tier_is_no_failure_domain() -> None:
    usable = without()
    usable[0] = False

    assert newly_lost(FLEET, without(), usable) == ()


def test_third_domain_in_ten_minutes_waits_for_a_human_and_is_allowed_when_the_first_is_history() -> None:
    past: tuple = ()
    usable = without()
    for at_s, cluster in ((0.0, 0), (60.0, 3)):
        past, refused = allowed(past, newly_lost(FLEET, usable, without(cluster)), at_s, 2)
        assert not refused

    third = newly_lost(FLEET, usable, without(6))
    kept, refused = allowed(past, third, 120.0, 2)
    assert [e.domain for e in refused] == ["cluster cluster-006"]
    assert kept == past

    later, none = allowed(kept, third, 601.0, 2)
    assert not none
    assert [e.domain for e in later] == ["cluster cluster-003", "cluster cluster-006"]


def test_cluster_that_flaps_spends_the_budget_once() -> None:
    past: tuple = ()
    for at_s in (0.0, 50.0, 100.0, 150.0):
        past, refused = allowed(past, newly_lost(FLEET, without(), without(2)), at_s, 2)
        assert not refused

    assert len(past) == 1


def test_not_refused_keeps_what_a_human_has_to_decide_as_it_was() -> None:
    refused = newly_lost(FLEET, without(), without(4))

    assert not_refused(FLEET, without(4, 5), refused).tolist() == without(5).tolist()
