from pathlib import Path

from simulator.lab.lines import Lines


def test_lines_of_a_growing_log_come_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = Lines(path)
    assert lines.news() == []
    with path.open("w") as log:
        log.write("one\ntw")
        log.flush()
        first = lines.news()
        log.write("o\n")
        log.flush()
        second = lines.news()

    assert (first, second, lines.news()) == (["one"], ["two"], [])
