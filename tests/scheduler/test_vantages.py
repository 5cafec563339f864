import hashlib

import pytest

from config.vantages import Vantage
from health.probe import ProbeTarget
from health.prober import Pace
from placement.columns import Bools, Ints
from scheduler.vantages import LATE_S, Certificate, Refusal, Roster, Round, VantageReport

TOKENS = {"fra": "fra-token-0123456789", "iad": "iad-token-0123456789"}
TARGETS = [ProbeTarget("tcp", "192.0.2.1", port) for port in (80, 81, 82)]


def seat_of(name: str) -> Vantage:
    return Vantage(name=name, tokenSha256=hashlib.sha256(TOKENS[name].encode()).hexdigest())


class Desk:
    """A roster at a clock of the test's, and what it counted as evidence."""

    def __init__(self) -> None:
        self.now_s, self.taken = 100.0, []
        self.roster = Roster(self.report, lambda: self.now_s)
        self.roster.assign([seat_of("fra"), seat_of("iad")], TARGETS, Pace())

    def report(self, rows: Ints, ok: Bools, at_s: float, vantage: int) -> None:
        self.taken.append((rows.tolist(), ok.tolist(), at_s, vantage))

    def post(self, name: str = "fra", **fields: object) -> Refusal | None:
        seat = self.roster.authenticate(TOKENS[name])
        assert seat is not None
        rounds = [Round(age_s=0.01, rows=[0, 2], ok=[True, False])]
        sound = {"revision": self.roster.revision, "session": "s" * 16, "sequence": 1, "clock_s": self.now_s - 0.02}
        return self.roster.take(seat, VantageReport(**({**sound, "lag_s": 0.0, "rounds": rounds} | fields)))


def test_report_of_a_vantage_is_evidence_in_its_own_column() -> None:
    desk = Desk()

    assert desk.post("iad") is None

    assert desk.taken == [([0, 2], [True, False], pytest.approx(99.97), 2)]


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"revision": "of yesterday"}, Refusal.OUTDATED),
        ({"clock_s": 100 - LATE_S - 0.1}, Refusal.LATE),
        ({"clock_s": 101.0}, Refusal.EARLY),
        ({"lag_s": 0.2}, Refusal.STALLED),
        ({"rounds": [Round(age_s=0, rows=[3], ok=[True])]}, Refusal.MALFORMED),
        ({"rounds": [Round(age_s=0, rows=[1, 1], ok=[True, True])]}, Refusal.MALFORMED),
        ({"rounds": [Round(age_s=0, rows=[1], ok=[])]}, Refusal.MALFORMED),
        ({"certificates": [Certificate(row=3, expires_s=60.0)]}, Refusal.MALFORMED),
    ],
)
def test_report_that_says_nothing_of_now_is_refused_and_counted(fields: dict[str, object], refusal: Refusal) -> None:
    desk = Desk()

    assert desk.post(**fields) is refusal

    assert desk.taken == []
    assert desk.roster.seats[0].refused == {refusal: 1}


def test_report_that_comes_twice_counts_once_and_so_does_an_older_session() -> None:
    desk = Desk()
    assert desk.post(sequence=5) is None

    assert desk.post(sequence=5) is Refusal.REPEATED
    assert desk.post(sequence=4) is Refusal.REPEATED
    assert desk.post(session="t" * 16, clock_s=99.9) is Refusal.REPEATED
    desk.now_s = 101.0
    assert desk.post(session="t" * 16, sequence=1) is None

    assert len(desk.taken) == 2


def test_token_that_is_unknown_or_empty_has_no_seat() -> None:
    desk = Desk()

    assert desk.roster.authenticate("") is None
    assert desk.roster.authenticate("fra-token-012345678") is None
    assert desk.roster.authenticate("\udcff") is None
    found = desk.roster.authenticate(TOKENS["fra"])
    assert found is not None
    assert found.name == "fra"


def test_vantages_of_new_documents_keep_their_seat_by_name_and_token() -> None:
    desk = Desk()
    desk.post("iad")
    revision = desk.roster.revision

    rows = desk.roster.assign([seat_of("iad")], TARGETS[:1], Pace())

    assert rows.tolist() == [0, 2]
    assert desk.roster.revision != revision
    assert desk.roster.seats[0].accepted == 1
    assert desk.post("iad", sequence=2, rounds=[]) is None
