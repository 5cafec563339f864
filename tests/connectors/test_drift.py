"""What becomes of weights that somebody else changed."""

from connectors.drift import Drift, OnDrift, rows_of, settled, with_rows
from placement.fleet import OriginId, ServiceId
from placement.weights import table_of

WANTED = table_of("home", 100, {"shop": {"east": (60, 0), "west": (40, 0)}, "pay": {"east": (100, 0)}}, (1, 3))
WRITTEN = rows_of(table_of("home", 100, {"shop": {"east": (100, 0)}}))[ServiceId("shop")]
FOUND = rows_of(table_of("home", 100, {"shop": {"west": (90, 0)}}))[ServiceId("shop")]
DRIFT = Drift(OriginId("home"), ServiceId("shop"), "HTTPRoute a/shop", WRITTEN, FOUND, "kubectl-edit at noon")


def test_settled_when_reverting_or_adopting_writes_what_is_wanted() -> None:
    for way in (OnDrift.REVERT, OnDrift.ADOPT):
        assert settled(WANTED, (DRIFT,), way) is WANTED


def test_settled_when_ignoring_leaves_the_drifted_row_and_writes_the_others() -> None:
    rows = rows_of(settled(WANTED, (DRIFT,), OnDrift.IGNORE))

    assert rows[ServiceId("shop")] == FOUND
    assert rows[ServiceId("pay")] == rows_of(WANTED)[ServiceId("pay")]


def test_with_rows_when_the_service_is_not_in_the_table_leaves_it_out() -> None:
    assert with_rows(WANTED, {ServiceId("other"): FOUND}).same_weights(WANTED)


def test_drift_in_words_names_object_both_splits_and_who() -> None:
    said = (
        "home: HTTPRoute a/shop: shop is west 90.0 %, refused 10.0 %, not east 100.0 %, changed by kubectl-edit at noon"
    )

    assert str(DRIFT) == said
