"""The page: everything in it, nothing from elsewhere."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from scheduler.dashboard.charts import Band, Series, chart, clock, nice
from simulator.play import play
from simulator.report.page import page
from tests.simulator.written import PAIR, loaded

VOID = {"meta", "br", "input", "link"}


class Balanced(HTMLParser):
    """Complains about tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opened."""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opened and closed."""

    def handle_endtag(self, tag: str) -> None:
        """Closed."""
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page about two policies through an outage."""
    more = "  events:\n  - {at: 1m, fault: cluster-outage, cluster: one, for: 1m, note: <script>alert(1)</script>}\n"
    more += '  expect: [{metric: availability, is: ">= 0.5"}]\n'
    scenario = loaded(tmp_path_factory.mktemp("page"), more, PAIR)
    return page([play(scenario, policy) for policy in ("equipoise", "waterfall")])


def test_page_when_made_needs_no_network_and_is_balanced(made: str) -> None:
    parser = Balanced()
    parser.feed(made)

    assert not parser.open
    assert not re.search(r"(src|href)=\"(?!#)", made), "nothing is fetched from anywhere"
    assert "https://" not in made.replace("http://www.w3.org", "")


def test_page_when_made_shows_policies_events_map_and_reasons(made: str) -> None:
    for words in (
        "waterfall",
        "cluster-outage one",
        "Where requests go",
        "Why it moved",
        "availability",
    ):
        assert words in made
    assert made.count('class="frame"') > 3


def test_page_when_a_note_holds_markup_escapes_it(made: str) -> None:
    assert "<script>alert" not in made
    assert "&lt;script&gt;alert" in made


@pytest.mark.parametrize("most", [0.003, 0.7, 1.0, 9.99, 10.0, 1234.5])
def test_ticks_when_chosen_are_round_and_reach_the_top(most: float) -> None:
    ticks = nice(most)

    assert ticks[0] == 0
    assert ticks[-1] >= most * (1 - 1e-9)
    assert 3 <= len(ticks) <= 7


def test_chart_when_drawn_is_one_tree_with_a_line_per_series() -> None:
    times = np.linspace(0, 60, 7)
    series = [Series("a & b", np.arange(7.0)), Series("holes", np.where(times > 30, np.nan, 1.0))]

    tree = ET.fromstring(chart("load", times, series, [Band(10, 20, "<event>")]))  # noqa: S314  our own

    assert len(tree.findall(".//path")) == 2
    assert tree.find(".//rect/title").text == "<event>"  # type: ignore[union-attr]


def test_clock_when_asked_counts_hours_only_when_there_are() -> None:
    assert [clock(5), clock(65), clock(3_725)] == ["0:05", "1:05", "1:02:05"]
