from dataclasses import replace

import numpy as np
import pytest

from placement.columns import floats
from placement.cost import evaluate
from placement.policies.slate import slate
from placement.solve.routing import solve_routing
from tests.placement.fleets import problem_of


@pytest.mark.parametrize("seed", range(4))
def test_slate_has_the_least_latency_and_egress_and_ours_the_least_of_everything(seed: int) -> None:
    """SLATE (NSDI 2026): latency and egress are what is minimised; compute has no price."""
    problem = problem_of(seed, load=0.4)
    problem = replace(problem, churn_usd=floats(np.zeros(len(problem.churn_usd))))

    theirs, ours = evaluate(problem, slate(problem)), evaluate(problem, solve_routing(problem).routing)

    def weighed(cost: object) -> float:
        return float(sum(getattr(cost, name) for name in ("latency", "egress", "headroom", "quality")))

    assert theirs.shed == pytest.approx(ours.shed, abs=1e-6)
    assert weighed(theirs) <= weighed(ours) + 1e-9
    assert ours.objective_usd_per_hour <= theirs.objective_usd_per_hour + 1e-9
