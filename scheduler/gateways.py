"""Verdicts on the ways in: a lost gateway is told from a lost cluster, because what stands behind it answers.

The same state machine as for backends, over one target per cluster. Probes alone say it: what clients miss there they
miss for other reasons as well. Its budgets are those of probes, so of many gateways at once it is the probes that are
doubted. A return is not ramped, for a gateway has no caches to fill: the optimizer brings load back in its own steps.
"""

from dataclasses import replace

import numpy as np

from health.evidence import Evidence
from health.rules import Rules
from health.verdict import Verdicts, judge, usable
from placement.columns import Bools, Floats, bools, floats, ints
from placement.fleet import Backends, Fleet


def judged_gateways(before: Verdicts, evidence: Evidence, at_s: float, rules: Rules) -> Verdicts:
    """(C,) the verdicts on the gateways at `at_s`; as before where none is probed apart."""
    told, count = evidence.gateways, len(before)
    if told is None or len(told.fails) != count:
        return before
    each = Backends(service=ints(np.zeros(count)), cluster=ints(np.arange(count)))
    return judge(before, told, each, at_s, replace(rules, service_ramp_s=(), ramp_s=0.0))


def cut_off(gateways: Verdicts) -> Bools | None:
    """(C,) clusters that are reached from inside alone; None for none."""
    out = ~usable(gateways)
    return bools(out) if out.any() else None


def behind_since_s(fleet: Fleet, gateways: Verdicts) -> Floats | None:
    """(B,) since when the gateway before each backend is out, +inf where it is not; None where all are well."""
    out = ~usable(gateways)
    if not out.any():
        return None
    return floats(np.where(out, gateways.fell_at_s, np.inf)[fleet.backends.cluster])
