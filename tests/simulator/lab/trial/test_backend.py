"""The service that can be told to fail: each manner shows, and a health check sees it only where it should."""

from simulator.lab.trial.backend import Manners, Service
from simulator.lab.trial.faults import MANNERS, Fault

REQUEST, CHECK = b"GET / HTTP/1.1\r\nhost: shop", b"GET /healthz HTTP/1.1\r\nhost: shop"


def failures(manners: Manners, head: bytes, times: int = 4_000) -> int:
    service = Service("us-east", seed=3)
    service.manners = manners
    return sum(service.answer(head).startswith(b"HTTP/1.1 503") for _ in range(times))


def test_service_that_behaves_well_answers_all_and_names_its_cluster() -> None:
    assert failures(Manners(), REQUEST) == failures(Manners(), CHECK) == 0
    assert b"\r\nx-equipoise-cluster: us-east\r\ncontent-length: 500\r\n\r\n" in Service("us-east", 3).answer(REQUEST)


def test_service_with_errors_fails_its_health_check_and_one_whose_errors_are_unseen_does_not() -> None:
    assert failures(MANNERS[Fault.ERRORS], REQUEST, 10) == failures(MANNERS[Fault.ERRORS], CHECK, 10) == 10
    assert failures(MANNERS[Fault.UNSEEN], REQUEST, 10) == 10
    assert failures(MANNERS[Fault.UNSEEN], CHECK, 10) == 0


def test_gray_service_fails_one_in_twenty_and_no_health_check() -> None:
    assert 140 < failures(MANNERS[Fault.GRAY], REQUEST) < 260, "200 +- 4.4 sigma of 4,000, seed 3"
    assert failures(MANNERS[Fault.GRAY], CHECK) == 0
