"""Growth learnt from two years of generated history, against seasonal-naive on windows that neither has seen.

The history has growth of its own for each series, a week, a season of the year, promotions, days that were not
measured, and noise; drawn with a seed. Seasonal-naive repeats the last week or the same days of a year ago, whichever
is better. Errors are the sum of absolute errors over the sum of what was seen, mean over rolling windows.

    python -m benchmarks.forecast --json
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import date

import numpy as np

from placement.columns import floats
from scheduler.planning.history import History, backtest

DAYS, SERIES = 730, 200
HORIZONS = (28, 90)


def generated(seed: int, days: int = DAYS, series: int = SERIES) -> History:
    """Two years of demand of some services in some regions."""
    rng = np.random.default_rng(seed)
    t = np.arange(days)[:, None]
    level = 10 ** rng.uniform(0, 3, series)
    growth = rng.normal(0.35, 0.2, series) * t / 365.25
    bend = rng.normal(0, 0.1, series) * np.sin(2 * np.pi * t / 700 + rng.uniform(0, 6, series))
    week = rng.normal(0, 0.12, (7, series))[np.arange(days) % 7]
    season = rng.uniform(0, 0.25, series) * np.cos(2 * np.pi * (t - rng.uniform(0, 365, series)) / 365.25)
    noise = rng.normal(0, 0.06, (days, series))
    rps = level * np.exp(growth + bend + week + season + noise)
    sale = rng.random((days, series)) < 0.01
    rps[sale] *= 1.6
    rps[rng.random((days, series)) < 0.01] = np.nan
    keys = tuple((f"service-{i // 5:02d}", f"region-{i % 5}") for i in range(series))
    return History(date(2024, 1, 1), keys, floats(rps))


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="histories; %(default)s")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    values: dict[str, object] = {"days": DAYS, "series": SERIES, "seeds": arguments.seeds}
    for ahead in HORIZONS:
        start_s = time.process_time()
        tests = [backtest(generated(seed), ahead) for seed in range(arguments.seeds)]
        ours, naive = (
            float(np.mean([test[key] for test in tests if test]))
            for key in ("error_ratio", "seasonal_naive_error_ratio")
        )
        values[f"error_ratio_{ahead}_days"] = round(ours, 4)
        values[f"seasonal_naive_error_ratio_{ahead}_days"] = round(naive, 4)
        values[f"relative_{ahead}_days"] = round(ours / naive, 3)
        values[f"cpu_s_{ahead}_days"] = round(time.process_time() - start_s, 2)
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:40} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
