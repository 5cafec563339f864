"""What counts as beaten by a rival."""

from typing import Any

from benchmarks.rivals import losses, rows, table_of


def result(scenario: str, policy: str, availability: float, total: float) -> dict[str, Any]:
    """A run as far as it is judged."""
    numbers = {"availability": availability, "totalUsdPerHour": total, "p95Ms": 10.0}
    return {"scenario": scenario, "policy": policy, "metrics": numbers}


RESULTS = [
    result("calm", "equipoise", 1.0, 5.0),
    result("calm", "local", 1.0, 4.96),
    result("loss", "equipoise", 0.99, 8.0),
    result("loss", "local", 0.9905, 9.0),
    result("loss", "slate", 0.995, 7.0),
]


def test_losses_are_where_a_rival_is_better_by_more_than_what_counts() -> None:
    found = [(loss.scenario, loss.policy, loss.metric) for loss in losses(RESULTS)]

    assert found == [("loss", "slate", "availability"), ("loss", "slate", "totalUsdPerHour")]


def test_table_has_a_row_per_scenario_that_names_who_was_better() -> None:
    table = table_of(
        {"scenarios": 2, "rows": list(rows(RESULTS)), "no_worse_in_availability": 1, "no_dearer_in_total": 1}
    )

    assert "| `calm` | 100.00% | 100.00% local | 5.00 | 4.96 local | - |" in table
    assert "availability by slate, totalUsdPerHour by slate" in table
    assert "1 of 2 no worse in availability" in table
