import io
import json
from collections.abc import Iterator

import pytest
import structlog

from scheduler.logs import about_turn, configure


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_log_when_nobody_watches_is_one_json_object_a_line_with_its_turn() -> None:
    out = io.StringIO()
    configure({}, out)
    about_turn(7)

    structlog.get_logger().warning("verdict", backend="web/eu")

    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["turn"], line["backend"]) == ("verdict", "warning", 7, "web/eu")
    assert line["timestamp"].endswith("Z")


def test_log_below_the_level_asked_for_is_left_out() -> None:
    out = io.StringIO()
    configure({"EQUIPOISE_LOG_LEVEL": "error", "EQUIPOISE_LOG": "console"}, out)

    structlog.get_logger().warning("unheard")
    structlog.get_logger().error("heard")

    assert "unheard" not in out.getvalue()
    assert "heard" in out.getvalue()


@pytest.mark.parametrize("asked", [{"EQUIPOISE_LOG": "xml"}, {"EQUIPOISE_LOG_LEVEL": "loud"}])
def test_log_of_an_unknown_kind_says_which_there_are(asked: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"it is (console or json|debug, info)"):
        configure(asked, io.StringIO())
