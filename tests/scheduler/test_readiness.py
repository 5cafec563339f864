import json
from pathlib import Path

import numpy as np
import pytest

from config.load import load
from health.drill import Level
from health.drill_coverage import Book, followed, verified
from placement.columns import floats, ints
from placement.losses import losses
from scheduler.api.readiness import verified_by
from scheduler.drill_book import PathBook
from scheduler.drill_paths import Paths
from scheduler.drill_probes import PathProbes
from scheduler.readiness import Proof, declared_proof, never, readiness

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


@pytest.fixture(scope="module")
def proof() -> Proof:
    return declared_proof(load(EXAMPLE))


def test_readiness_of_the_example_has_every_single_loss_with_all_its_figures(proof: Proof) -> None:
    body = readiness(proof, never)

    rows = {row["loss"]: row for row in body["losses"]}
    assert {str(loss) for loss in losses(proof.problem.fleet)} <= set(rows)
    for row in rows.values():
        assert row["verified"] is None
        assert row["usd_per_hour"] >= 0
        assert set(row["unmet_rps_by_priority"]) == {"high", "normal", "low"}
        assert row["unmet_rps"] == pytest.approx(sum(row["unmet_rps_by_priority"].values()), abs=0.01)
    json.dumps(body, allow_nan=False)


def test_readiness_says_where_the_load_of_a_lost_cluster_goes_and_how_full_that_gets(proof: Proof) -> None:
    row = next(r for r in readiness(proof, never)["losses"] if r["loss"] == "cluster eu-central")

    assert row["takes_over"]
    assert all(taker["cluster"] != "eu-central" for taker in row["takes_over"])
    assert 0 < row["worst_utilization"] <= 1 + 1e-4


def test_readiness_of_a_loss_that_leaves_nowhere_to_go_has_all_of_the_demand_unmet(proof: Proof) -> None:
    body = readiness(proof, never)

    row = next(r for r in body["losses"] if r["loss"] == "provider aws")
    assert row["unmet_rps"] == pytest.approx(body["demand_rps"], rel=1e-3)
    assert "storefront: provider aws" in body["standby"]["unsurvivable"]


def test_standby_in_readiness_prices_resilience_and_its_last_percent(proof: Proof) -> None:
    cost = readiness(proof, never)["standby"]

    assert cost["overhead_ratio"] > cost["overhead_n1_bound_ratio"] > 0
    added = cost["n1_bound_usd_per_hour"] - cost["today_bound_usd_per_hour"]
    assert cost["price_of_resilience_usd_per_hour"] == pytest.approx(added, abs=1e-5)
    assert cost["last_percent_usd_per_hour"] == pytest.approx(sum(cost["last_percent_by_service"].values()), abs=1e-4)


def test_verified_by_is_the_highest_level_that_all_paths_of_a_loss_passed_within_a_day() -> None:
    now_s, flows = 1_000_000.0, 10
    key = ints([0, 1, 10, 11])
    book = followed(Book.empty(), key, floats(np.ones(4)), now_s)
    book = verified(book, Level.PROBE, key, now_s - 60)
    book = verified(book, Level.CANARY, ints([0, 1, 10]), now_s - 3600)
    none = ints([])
    paths = Paths(flows, key, floats(np.ones(4)), none == 0, floats([]), none, none)
    known = PathBook(PathProbes(lambda: now_s), book, paths)
    known.losses.update({"cluster a": 0, "cluster b": 1, "cluster c": 2})

    found = verified_by(known, now_s)

    assert found("cluster a") == {"level": "canary", "age_s": 3600.0}
    assert found("cluster b") == {"level": "probe", "age_s": 60.0}, "one path of it was never drilled"
    assert found("cluster c") is None
