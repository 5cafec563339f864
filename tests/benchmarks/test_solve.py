"""The solve benchmark says what it is said to say, at a size that takes no time."""

from benchmarks.solve import measure
from placement.solve.sharded import TARGET


def test_measure_in_process_reports_a_certified_gap_that_the_whole_program_confirms() -> None:
    found = measure(200, 12, 0, 2, None, monolith=True)

    assert found["on_ray"] is False
    assert 0 <= float(found["true_gap"] or 0) <= float(found["certified_gap"] or 1) <= TARGET
    assert float(found["pool_overfill"] or 0) < 1e-6
    assert float(found["speedup_vs_monolith"] or 0) > 0
