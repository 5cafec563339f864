from health.probe import ProbeTarget
from health.rules import Rules
from placement.columns import bools, ints
from scheduler.endpoints import Endpoints
from scheduler.translate import ProbedAddress
from scheduler.watch import ProbeWatch


def probed(backend: int, gateway: bool = False) -> ProbedAddress:
    return ProbedAddress(backend, gateway, ProbeTarget("tcp", "192.0.2.1", 80))


def endpoints(*addresses: ProbedAddress, vantages: int = 1, cluster: list[int] | None = None) -> Endpoints:
    backends = 1 + max(a.backend for a in addresses)
    watch = ProbeWatch(backends, Rules(), vantages)
    found = Endpoints(watch)
    if cluster is not None:
        watch.retarget(ints(range(backends)), Rules(), cluster=ints(cluster), clusters=max(cluster) + 1)
    found.replace(addresses, vantages, None if cluster is None else ints(cluster))
    return found


def test_backend_lives_while_one_of_its_endpoints_answers() -> None:
    found = endpoints(probed(0), probed(0), probed(1))

    found.report(ints([0, 2]), bools([False, True]), 1.0)
    found.report(ints([1]), bools([True]), 1.1)
    assert found.watch.evidence().fails[:, 0].tolist() == [0, 0]
    found.report(ints([1]), bools([False]), 1.2)

    assert found.watch.evidence().fails[:, 0].tolist() == [1, 0]


def test_gateway_decides_where_there_is_one_and_the_other_way_is_told() -> None:
    found = endpoints(probed(0), probed(0, gateway=True), probed(1))

    found.report(ints([0, 1, 2]), bools([False, True, True]), 1.0)
    assert found.watch.evidence().fails[:, 0].tolist() == [0, 0]
    assert found.broken() == {0: "endpoints"}
    found.report(ints([0, 1]), bools([True, False]), 1.25)

    assert found.watch.evidence().fails[:, 0].tolist() == [1, 0]
    assert found.broken() == {0: "gateway"}


def test_way_is_broken_when_most_vantages_find_it_closed() -> None:
    found = endpoints(probed(0), probed(0, gateway=True), vantages=3)

    for vantage in (0, 2):
        assert found.broken() == {}
        found.report(ints([0, 1]), bools([False, False]), 1.0, vantage)

    assert found.broken() == {0: "both"}


TWO_BEHIND_ONE = (probed(0), probed(0, gateway=True), probed(1), probed(1, gateway=True), probed(2))


def gateway_fails(found: Endpoints) -> list[int]:
    said = found.watch.evidence().gateways
    assert said is not None
    return said.fails[:, 0].tolist()


def test_gateway_that_nothing_gets_through_is_lost_and_what_answers_behind_it_lives() -> None:
    found = endpoints(*TWO_BEHIND_ONE, cluster=[0, 0, 1])

    for round_number in range(4):
        found.report(ints([0, 1, 2, 3, 4]), bools([True, False, True, False, True]), 1.0 + round_number)

    assert gateway_fails(found) == [4, 0]
    assert found.watch.evidence().fails[:, 0].tolist() == [0, 0, 0]
    assert found.watch.alarmed or (found.watch.evidence().fails == 0).all()


def test_gateway_that_lets_some_through_is_not_lost_and_who_it_does_not_reach_is() -> None:
    found = endpoints(*TWO_BEHIND_ONE, cluster=[0, 0, 1])

    for round_number in range(3):
        found.report(ints([0, 1, 2, 3, 4]), bools([True, False, True, True, True]), 1.0 + round_number)

    assert gateway_fails(found) == [0, 0]
    assert found.watch.evidence().fails[:, 0].tolist() == [3, 0, 0]


def test_gateway_of_a_cluster_whose_endpoints_are_gone_as_well_is_not_judged() -> None:
    found = endpoints(*TWO_BEHIND_ONE, cluster=[0, 0, 1])

    for round_number in range(3):
        found.report(ints([0, 1, 2, 3, 4]), bools([False, False, False, False, True]), 1.0 + round_number)

    assert gateway_fails(found) == [0, 0]
    assert found.watch.evidence().fails[:, 0].tolist() == [3, 3, 0]


def test_gateway_that_answers_again_is_told_so() -> None:
    found = endpoints(*TWO_BEHIND_ONE, cluster=[0, 0, 1])
    found.report(ints([0, 1, 2, 3]), bools([True, False, True, False]), 1.0)

    found.report(ints([1, 3]), bools([True, True]), 2.0)

    said = found.watch.evidence().gateways
    assert said is not None
    assert said.passes[:, 0].tolist() == [1, 0]
