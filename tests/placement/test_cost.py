import numpy as np
import pytest

from placement.callgraph import coupled_services
from placement.cost import COMPONENTS, evaluate, loads, objective_of_sets
from placement.routes import compute_usd
from placement.routing import from_dense
from placement.solve.routing import solve_routing
from tests.oracles import demand_of
from tests.placement.fleets import problem_of, random_routing
from tests.placement.solve.test_routing import autoscaled_problem


@pytest.mark.parametrize("seed", range(10))
def test_loads_on_random_fleets_agree_with_walking_the_call_graph(seed: int) -> None:
    problem = problem_of(seed)
    routing = random_routing(problem, seed + 100)

    made = loads(problem, routing)

    demand = demand_of(problem, routing.dense())
    served = np.zeros(len(problem.fleet.backends))
    for b, (s, c) in enumerate(zip(problem.fleet.backends.service, problem.fleet.backends.cluster, strict=True)):
        served[b] = (demand * routing.dense()[:, c])[problem.fleet.flows.service == s].sum()
    np.testing.assert_allclose(made.demand_rps, demand)
    np.testing.assert_allclose(made.backend_rps, served)
    np.testing.assert_allclose(made.shed_rps, demand * routing.dense()[:, -1])


def test_evaluate_with_everything_shed_costs_only_refusals() -> None:
    problem = problem_of(0)
    nothing = np.zeros((len(problem.fleet.flows), problem.fleet.shed + 1))
    nothing[:, -1] = 1.0

    cost = evaluate(problem, from_dense(nothing))

    assert cost.shed == pytest.approx(float(problem.external_rps @ problem.shed_usd))
    assert all(getattr(cost, name) == 0 for name in COMPONENTS if name != "shed")


def test_evaluate_when_a_backend_is_overfilled_prices_the_excess_as_refused() -> None:
    problem = problem_of(1, load=2.0)
    routing = random_routing(problem, 5)

    assert evaluate(problem, routing).overload > 0


@pytest.mark.parametrize("seed", range(5))
def test_objective_of_sets_adds_up_to_the_objective(seed: int) -> None:
    problem = problem_of(seed, load=1.2)
    routing = random_routing(problem, seed + 7)
    fleet = problem.fleet
    label = coupled_services(len(fleet.services), fleet.calls, shared=False)

    parts = objective_of_sets(problem, routing, label)

    assert len(parts) > 1
    assert parts.sum() == pytest.approx(evaluate(problem, routing).objective_usd_per_hour)


def test_evaluate_where_replicas_follow_load_bills_the_replicas_that_it_adds() -> None:
    problem = autoscaled_problem(2, 0.5)
    scaler = problem.fleet.scaler
    assert scaler is not None
    routing = solve_routing(problem).routing

    cost = evaluate(problem, routing)

    load = loads(problem, routing).backend_rps[:, None]
    added = scaler.usd_per_replica_hour * (scaler.running(load) - scaler.running(0 * load))[:, 0]
    linear = compute_usd(problem.fleet) * load[:, 0]
    assert cost.compute == pytest.approx(np.where(scaler.follows, added, linear).sum())
    assert cost.headroom >= 0
