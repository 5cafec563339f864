from pathlib import Path

from benchmarks.takeover import measure
from tests import real


async def test_takeover_when_the_leader_is_killed_under_load_loses_nothing_and_pushes_nothing(
    tmp_path: Path,
) -> None:
    for program in ("haproxy", "postgresql"):
        real.require(program)

    seen = await measure(times=1, lease_s=1.0, seed=1, log=tmp_path / "kills.jsonl")

    none = ("acknowledged_lost", "stale_writes_accepted", "pushes_without_a_change", "two_leaders_at_once")
    assert {name: seen[name] for name in none} == dict.fromkeys(none, 0)
    assert seen["turns_in_an_unbroken_chain"] > 1
    assert seen["failed_requests"] == 0
    again = await measure(times=1, lease_s=1.0, seed=1, log=tmp_path / "kills.jsonl")
    assert again == seen | {"turns_in_an_unbroken_chain": 0}, "a kill that the log has is not done again"
