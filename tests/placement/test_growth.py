"""Demand over months: what is put in comes out again, and what was not measured is left out."""

import numpy as np
import pytest

from placement.columns import floats
from placement.growth import error_ratio, fitted, seasonal_naive

DAYS = np.arange(730)


def made(growth: float, week: float = 0.2, noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    weekly = week * (DAYS % 7 < 2)
    season = 0.2 * np.cos(2 * np.pi * DAYS / 365.25)
    return 100 * np.exp(np.log1p(growth) * DAYS / 365.25 + weekly + season + rng.normal(0, noise, len(DAYS)))


def test_growth_of_a_steady_series_is_found_and_goes_on() -> None:
    model = fitted(floats(made(0.4)[:600, None]))

    assert model.growth_ratio_per_year()[0] == pytest.approx(0.4, abs=0.03)
    assert error_ratio(made(0.4)[600:630, None], model.mean(30)) < 0.03
    high, base, low = (float(model.quantile(90, d)[-1, 0]) for d in (1.28, 0.0, -1.28))
    assert low <= base <= high


def test_days_that_were_not_measured_are_left_out_and_not_taken_for_zero() -> None:
    seen = made(0.4, noise=0.02)[:, None].copy()
    whole = fitted(floats(seen)).mean(30)
    seen[300:340] = np.nan

    assert fitted(floats(seen)).mean(30) == pytest.approx(whole, rel=0.03)


def test_growth_of_a_few_days_is_refused_with_what_it_needs() -> None:
    with pytest.raises(ValueError, match="four weeks at least"):
        fitted(floats(np.ones((20, 1))))


def test_seasonal_naive_repeats_the_last_week() -> None:
    assert seasonal_naive(floats(np.arange(14.0)[:, None]), 9)[:, 0].tolist() == [7, 8, 9, 10, 11, 12, 13, 7, 8]
