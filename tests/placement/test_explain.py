from dataclasses import replace

import numpy as np
import pytest

from placement.explain import explain
from placement.problem import Prices, formulate
from placement.solve.routing import shadow_prices, solve_routing
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, snapshot_of


@pytest.mark.parametrize("seed", range(6))
def test_explain_at_the_optimum_no_unused_route_is_cheaper_than_a_used_one(seed: int) -> None:
    problem = problem_of(seed, load=0.9)
    plan, prices = solve_routing(problem), shadow_prices(problem)

    for flow in range(len(problem.fleet.flows)):
        account = explain(problem, plan.routing, prices, flow)
        used = [r for r in account.routes if r.share > 1e-6]
        unused = [r for r in account.routes if r.share <= 1e-6]
        if used and unused:
            # A route that gained load pays to move; one that keeps part of it does not: compare within that.
            slack = problem.churn_usd[flow] * (1 + 1e-6) + 1e-6
            assert min(r.total_usd for r in used) <= min(r.total_usd for r in unused) + slack, f"seed {seed}"


def test_explain_of_a_route_that_is_too_far_says_so() -> None:
    fleet = trio()
    snapshot = snapshot_of(fleet, declared(fleet))
    far = fleet.network.rtt_ms.copy()
    far[0, 2] = 400.0

    moved = replace(fleet, network=replace(fleet.network, rtt_ms=far))
    problem = formulate(moved, snapshot, Prices())

    account = explain(problem, problem.standing, shadow_prices(problem), 0)

    assert account.flow == "front@ams"
    assert account.not_offered == (("iad", "round trip 400 ms is above the limit of 150 ms"),)
    assert account.runner_up == "fra"
    assert np.isfinite(account.runner_up_usd_per_hour)
