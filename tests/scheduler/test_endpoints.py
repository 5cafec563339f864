from health.probe import ProbeTarget
from health.rules import Rules
from placement.columns import bools, ints
from scheduler.endpoints import Endpoints
from scheduler.translate import ProbedAddress
from scheduler.watch import ProbeWatch


def probed(backend: int, gateway: bool = False) -> ProbedAddress:
    return ProbedAddress(backend, gateway, ProbeTarget("tcp", "192.0.2.1", 80))


def endpoints(*addresses: ProbedAddress, vantages: int = 1) -> Endpoints:
    watch = ProbeWatch(1 + max(a.backend for a in addresses), Rules(), vantages)
    found = Endpoints(watch)
    found.replace(addresses, vantages)
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
