from pathlib import Path

from benchmarks.push_origins import push_all


def test_pushes_that_the_log_has_are_not_made_again(tmp_path: Path) -> None:
    log = tmp_path / "pushed.jsonl"

    first = push_all(["simulated"], 5, 3, 60.0, log)
    again = push_all(["simulated"], 7, 3, 60.0, log)

    assert first["simulated"]["origins"] == 5
    assert (first["simulated"]["failed"], first["simulated"]["pushed_again"]) == ("", 0)
    assert again == first
    assert len(log.read_text(encoding="utf-8").splitlines()) == 1
