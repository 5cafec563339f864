"""Durations and comparisons."""

import math

import pytest

from simulator.scenario.fields import comparison_of, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5_400), ("2d", 172_800), ("0.5s", 0.5), (7, 7)]
)
def test_duration_when_written_in_any_unit_is_seconds(text: str | int, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5x", "m5", "-5s", True, None, "40d", -1])
def test_duration_when_nonsense_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        seconds_of(text)


def test_comparison_when_read_holds_for_what_it_says_and_never_for_nan() -> None:
    bound = comparison_of(">= 99.9%")

    assert bound.bound == pytest.approx(0.999)
    assert bound.holds(0.9995)
    assert not bound.holds(0.99)
    assert not bound.holds(math.nan)
    assert str(comparison_of("<250")) == "< 250"


@pytest.mark.parametrize("text", ["", "0.9", "=> 1", "~1", ">= x", 5])
def test_comparison_when_nonsense_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="must be a comparison"):
        comparison_of(text)
