"""Quality of experience in dollars, and how waiting grows with utilization."""

import numpy as np

from placement.columns import Floats

QUALITY_MS = 2_000.0
"""A failed request is priced as this much waiting: about one patient retry by the user."""


def waiting_factor(fraction: Floats) -> Floats:
    """Growth of waiting over the headroom, 1 at its start and 5 near its end; convex.

    `fraction` in [0, 1] is the position between the target utilization and full. The M/M/1 waiting time goes as
    r / (1 - r) (Kleinrock, Queueing Systems I, 3.2), which has no end; the last tenth is therefore cut off so that
    the price of a full backend stays below that of refusing.
    """
    return 1 + 4 * np.asarray(fraction, dtype=np.float64) ** 2
