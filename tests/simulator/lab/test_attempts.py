"""The gateways' upstream logs: what a line means, and reading while it grows."""

import time
from pathlib import Path

import pytest

from simulator.lab.addresses import choose
from simulator.lab.attempts import UpstreamLog


def test_news_of_a_growing_log_gives_every_whole_line_once(tmp_path: Path) -> None:
    addresses, path = choose(), tmp_path / "log"
    near = addresses.reach("eu-west", "eu-west", "backend")
    far = addresses.reach("eu-west", "us-east", "frontend")
    log = UpstreamLog(path, "eu-west", addresses)
    assert log.news() == []

    now_s = time.time()
    path.write_text(f"{now_s:.6f} 127.0.0.1:{near} backend 200 -\n{now_s:.6f} 127.0.0.1:{far} fronte")
    first = log.news()
    with path.open("a") as out:
        out.write("nd:80 0 UC\n")
    second = log.news()

    assert [(a.origin, a.cluster, a.service, a.code) for a in first] == [("eu-west", "eu-west", "backend", 200)]
    assert [(a.origin, a.cluster, a.service, a.code) for a in second] == [("eu-west", "us-east", "frontend", 0)]
    assert first[0].at_s == pytest.approx(time.monotonic(), abs=1.0)
    assert log.news() == []


def test_news_leaves_out_requests_that_reached_no_address(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("1.000000 - frontend 503 UH\n")

    assert UpstreamLog(path, "eu-west", choose()).news() == []
