import numpy as np
import pytest

from placement.cost import evaluate, loads
from placement.evacuation import spill
from placement.losses import after, losses
from placement.patch import applied, patch, placed
from placement.portion import Applications, digest
from placement.solve.routing import solve_routing
from tests.placement.fleets import problem_of, tiered


@pytest.mark.parametrize("seed", range(5))
def test_portions_of_a_problem_cost_together_what_the_whole_costs(seed: int) -> None:
    problem = tiered(seed, services=9, clusters=4)
    applications = Applications(problem)

    parts = [applications.portion(a).problem for a in range(int(applications.label.max()) + 1)]

    assert len(parts) == 3
    whole = evaluate(problem, problem.standing)
    assert sum(evaluate(p, p.standing).objective_usd_per_hour for p in parts) == pytest.approx(
        whole.objective_usd_per_hour
    )
    assert sum(solve_routing(p).cost.objective_usd_per_hour for p in parts) == pytest.approx(
        solve_routing(problem).cost.objective_usd_per_hour
    )


@pytest.mark.parametrize("seed", range(5))
def test_spill_in_a_portion_is_the_spill_of_the_whole_for_the_loss_of_one_tier(seed: int) -> None:
    problem = tiered(seed, services=6, clusters=4)
    fleet = problem.fleet
    loss = [x for x in losses(fleet) if x.kind == "tier"][seed]
    applications = Applications(problem)
    part = applications.portion(applications.of_service(int(fleet.backends.service[loss.backends[0]])))
    here = part.local(loss)

    small = spill(after(part.problem, here), part.problem.standing, ~here.dead(part.problem.fleet))
    whole = spill(after(problem, loss), problem.standing, ~loss.dead(fleet))

    again = applied(problem.standing, placed(patch(part.problem.standing, small), part.flow))
    assert loads(problem, again).backend_rps == pytest.approx(loads(problem, whole).backend_rps)


def test_digest_changes_with_demand_and_not_without_any_change() -> None:
    problem, other = problem_of(1), problem_of(1, load=0.56)

    assert digest(problem) == digest(problem_of(1))
    assert digest(problem) != digest(other)
    assert digest(problem, np.zeros(1)) != digest(problem, np.ones(1))
