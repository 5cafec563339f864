"""Demand by the day over months and years: level, growth, week and season, and how wrong that may be.

    log y_t = a + b t + week_{t mod 7} + sum_k (c_k cos + d_k sin)(2 pi k t / 365.25) + e_t

fitted for every series at once by ridge regression with weights that halve every HALF_LIFE_DAYS, so that old habits
count less. A season needs a year to show: it is left out of shorter histories. Growth is damped as it goes on (Gardner
and McKenzie 1985): nothing grows exponentially for long. The last days' mean error shifts the level. Days that were not
measured are NaN and are left out, never filled in.
"""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats, floats

YEAR_DAYS = 365.25
WEEK_DAYS = 7
HARMONICS = 2
HALF_LIFE_DAYS = 240.0
RIDGE = 0.02
DAMP_DAYS = 540.0
"""After as many days growth has fallen to 1/e of what it was."""
LEVEL_DAYS = 14
"""Whose mean error shifts the level ..."""
LEVEL_WEIGHT = 0.5
"""... by this part of it."""
TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Growth:
    """N series, fitted on T days."""

    days: int
    """T"""
    weights: Floats
    """(terms, N)"""
    shift: Floats
    """(N,) of the level, in logarithms."""
    spread: Floats
    """(N,) standard deviation of what the model does not explain, in logarithms."""
    seasonal: bool
    """Whether a season of the year is in it."""

    def mean(self, ahead: int) -> Floats:
        """(ahead, N) what to expect of the days that follow."""
        t = floats(self.days + np.arange(ahead))
        damped = self.days - 1 + DAMP_DAYS * (1 - np.exp(-(t - self.days + 1) / DAMP_DAYS))
        return np.asarray(np.exp(_terms(t, damped, self.seasonal) @ self.weights + self.shift), dtype=np.float64)

    def growth_ratio_per_year(self) -> Floats:
        """(N,) how much demand grows in a year at the present pace: 0.3 for 30 %."""
        return np.asarray(np.exp(self.weights[1] * YEAR_DAYS) - 1, dtype=np.float64)

    def quantile(self, ahead: int, deviations: float) -> Floats:
        """(ahead, N) so many standard deviations off: the error of the level grows with the root of time."""
        days = np.arange(1, ahead + 1)[:, None]
        error = self.spread * np.sqrt(0.25 + days / YEAR_DAYS)
        return np.asarray(self.mean(ahead) * np.exp(deviations * error), dtype=np.float64)


def fitted(seen: Floats) -> Growth:
    """Fit (T, N) days of demand. Raises ValueError where less than four weeks of a series were measured."""
    days = len(seen)
    measured = np.isfinite(seen)
    if days < 4 * WEEK_DAYS or (measured.sum(axis=0) < 4 * WEEK_DAYS).any():
        raise ValueError(f"{days} days, and too few of them measured: growth needs four weeks at least")
    seasonal = days >= YEAR_DAYS
    t = floats(np.arange(days))
    x = _terms(t, t, seasonal)
    log = np.log(np.maximum(np.where(measured, seen, 1.0), TINY))
    decay = 0.5 ** ((days - 1 - t) / HALF_LIFE_DAYS)
    weights = np.empty((x.shape[1], seen.shape[1]))
    penalty = np.diag(np.r_[0.0, 0.0, np.full(x.shape[1] - 2, RIDGE * days / WEEK_DAYS)])
    for key in np.unique(measured, axis=1).T:  # series with the same gaps share their normal equations
        mine = (measured == key[:, None]).all(axis=0)
        w = decay * key
        weights[:, mine] = np.linalg.solve(x.T @ (w[:, None] * x) + penalty, x.T @ (w[:, None] * log[:, mine]))
    rest = np.where(measured, log - x @ weights, np.nan)
    shift = LEVEL_WEIGHT * np.nan_to_num(_mean(rest[-LEVEL_DAYS:]))
    return Growth(days, floats(weights), floats(shift), floats(np.sqrt(_mean(rest**2))), seasonal)


def seasonal_naive(seen: Floats, ahead: int, season: int = WEEK_DAYS) -> Floats:
    """(ahead, N) the last `season` days again: a week, or 52 of them for the same days of a year ago."""
    rows = len(seen) - season + np.arange(ahead) % season
    return floats(seen[rows])


def error_ratio(seen: Floats, expected: Floats) -> float:
    """Sum of absolute errors over the sum of what was seen (WAPE); days that were not measured are left out."""
    good = np.isfinite(seen) & np.isfinite(expected)
    return float(np.abs(seen - expected)[good].sum() / max(seen[good].sum(), TINY))


def _terms(t: Floats, trend: Floats, seasonal: bool) -> Floats:
    """(T, terms) constant, trend, six days of the week against the mean, harmonics of the year."""
    week = np.eye(WEEK_DAYS)[np.asarray(t, dtype=np.int64) % WEEK_DAYS] - 1 / WEEK_DAYS
    columns = [np.ones(len(t)), np.asarray(trend, dtype=np.float64), *week[:, 1:].T]
    for k in range(1, HARMONICS + 1 if seasonal else 1):
        angle = 2 * np.pi * k * np.asarray(t) / YEAR_DAYS
        columns += [np.cos(angle), np.sin(angle)]
    return np.stack(columns, axis=1)


def _mean(values: Floats) -> Floats:
    count = np.isfinite(values).sum(axis=0)
    total = np.nansum(values, axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
