"""Demand that is replayed from a file: as recorded, or an error that says where it is wrong."""

from pathlib import Path

import pytest

from simulator.physics.demand import NoData
from simulator.play import play
from simulator.scenario.load import load_scenario
from tests.simulator.written import HEAD

SPEC = """\
  about: a short day from a file
  duration: 60s
  fleet:
    clusters:
      one: {{at: aws/eu-west-1}}
    services:
      shop: {{rpsPerReplica: 50, replicas: 10}}
  demand:
  - {{service: shop, origin: one, replay: {{file: day.csv, value: {column}, time: seconds}}{more}}}
"""


def asked(folder: Path, table: str, column: str = "rps", more: str = "") -> list[float]:
    """Requests/s at the beginning, in the middle and at the end."""
    (folder / "day.csv").write_text(table, encoding="utf-8")
    file = folder / "replayed.yaml"
    file.write_text(HEAD + SPEC.format(column=column, more=more), encoding="utf-8")
    books = play(load_scenario(file)).books
    rows = (0, len(books.starts_s) // 2, -1)
    return [float(books.asked_rps[row].sum()) for row in rows]


def test_replay_without_a_rate_asks_for_what_was_recorded(tmp_path: Path) -> None:
    table = "# counted by hand\nseconds,rps\n0,100\n30,300\n60,100\n"

    assert asked(tmp_path, table) == pytest.approx([100, 300, 100], rel=0.1)
    assert asked(tmp_path, table, more=", rps: 50") == pytest.approx([30, 90, 30], rel=0.1)


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        ("seconds,rps\n0,100\n", "rqs", "day.csv: no column 'rqs'; there is seconds, rps"),
        ("# why\nseconds,rps\n0,100\n5,abc\n", "rps", "day.csv:4: rps is 'abc': must be requests/s of 0 or more"),
        ("seconds,rps\n0,nan\n", "rps", "day.csv:2: rps is 'nan': must be requests/s of 0 or more"),
        ("seconds,rps\n0,-3\n", "rps", "day.csv:2: rps is '-3': must be requests/s of 0 or more"),
        ("seconds,rps\nnoon,3\n", "rps", "day.csv:2: seconds is 'noon': must be seconds or an ISO 8601 time"),
        ("seconds,rps\n", "rps", "day.csv: a trace has a header and at least one row"),
    ],
)
def test_replay_of_a_bad_file_says_where_it_is_wrong(tmp_path: Path, table: str, column: str, said: str) -> None:
    with pytest.raises(NoData) as wrong:
        asked(tmp_path, table, column)

    assert str(wrong.value).endswith(said)
