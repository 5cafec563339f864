"""Whole replicas against every plan there is, on problems small enough to write all of them down."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from benchmarks.instances import synthetic
from placement.assignment import AssignmentProblem, AssignmentRoutes, AssignmentSites, Demands, Links, Losses
from placement.columns import Floats, Ints, floats, ints
from placement.solve.certificate import STOP, bound, question, tighten
from placement.solve.choice import pack
from placement.solve.exchanges import exchange
from placement.solve.highs import answer
from placement.solve.integers import Effort, solve_integers
from placement.solve.layout import fits, lay_out
from placement.solve.plans import Plans, relax
from placement.solve.pricing import Priced, expenses, flows, nearest_plans, price_out
from placement.solve.programs import programs

MOST = 3
"""Replicas of a site at most, so that all plans can be listed."""


def problem(seed: int, services: int = 3, pools: int = 3) -> AssignmentProblem:
    """Random: two demands and up to three sites per service, losses of half of the services, scarce pools."""
    rng = np.random.default_rng(seed)
    site_service = np.repeat(np.arange(services), pools)
    sites = len(site_service)
    demand_service = np.repeat(np.arange(services), 2)
    route_demand, route_site = (
        np.array(x)
        for x in zip(*[(d, s * pools + p) for d, s in enumerate(demand_service) for p in range(pools)], strict=True)
    )
    rps = rng.uniform(2, 14, 2 * services)
    guarded = np.flatnonzero(rng.random(services) < 0.6)
    region = np.arange(pools) % 2
    loss = [(s, f) for s in guarded for f in range(2)]
    total = np.bincount(demand_service, rps, services)
    none = ints(np.zeros(0))
    return AssignmentProblem(
        capacity=floats(rng.integers(4, 12, (pools, 2))),
        usd_scale=floats(np.ones((pools, 2))),
        utilization=floats(rng.uniform(0.5, 0.9, services)),
        unit_usd=floats(np.ones(services)),
        spread_max=floats(np.ones(services)),
        block=ints(np.arange(services)),
        demands=Demands(
            ints(demand_service), ints(np.full(2 * services, -1)), floats(rps), floats(rng.uniform(1, 4, 2 * services))
        ),
        sites=AssignmentSites(
            service=ints(site_service),
            pool=ints(np.tile(np.arange(pools), services)),
            cluster=ints(np.tile(np.arange(pools), services)),
            rps_per_replica=floats(rng.choice([8.0, 11.0, 20.0], sites)),
            usd_per_replica_hour=floats(rng.uniform(1, 4, sites)),
            use=floats(rng.choice([0.5, 1.0, 1.5, 2.0], (sites, 2))),
            standing=ints(rng.integers(0, 3, sites)),
            replicas_min=ints((rng.random(sites) < 0.1).astype(int)),
            replicas_max=ints(rng.integers(1, MOST + 1, sites)),
            migration_usd=floats(rng.choice([0.0, 0.7], sites)),
        ),
        routes=AssignmentRoutes(
            ints(route_demand),
            ints(route_site),
            ints(demand_service[route_demand]),
            floats(rng.uniform(0, 0.3, len(route_demand))),
            floats(np.ones(len(route_demand))),
        ),
        losses=Losses(
            ints([s for s, _ in loss]),
            ints([f for _, f in loss]),
            floats([0.7 * total[s] for s, _ in loss]),
            floats([0.5] * len(loss)),
        ),
        site_domains=ints(np.column_stack([np.tile(region, services), np.full(sites, -1)])),
        links=Links(none, none, floats([]), floats([])),
        calls_parent=none,
        calls_child=none,
        calls_per_request=floats([]),
    )


def cost(p: AssignmentProblem, s: int, n: tuple[int, ...]) -> float:
    """$/h of one service at replicas n, by the formulation as it is written down."""
    h = np.flatnonzero(p.sites.service == s)
    d = np.flatnonzero(p.demands.service == s)
    x = np.flatnonzero(p.routes.service == s)
    replicas = np.array(n)
    width = len(x) + len(d)
    serve, demand = np.zeros((len(h), width)), np.zeros((len(d), width))
    for i, route in enumerate(x):
        serve[list(h).index(p.routes.site[route]), i] = 1
        demand[list(d).index(p.routes.demand[route]), i] = 1
    demand[:, len(x) :] = np.eye(len(d))
    usd = np.concatenate([p.routes.usd[x], p.demands.shed_usd[d]])
    lift = p.utilization[s] * p.sites.rps_per_replica[h] * replicas
    routed = linprog(usd, serve, lift, demand, p.demands.rps[d]).fun
    raw = p.sites.rps_per_replica[h] * replicas
    short = 0.0
    for i in np.flatnonzero(p.losses.service == s):
        stays = (p.site_domains[h] != p.losses.domain[i]).all(axis=1)
        short += p.losses.short_usd[i] * max(0.0, p.losses.survive_rps[i] - raw[stays].sum())
    started = np.maximum(0, replicas - p.sites.standing[h])
    return float(routed + short + p.sites.usd_per_replica_hour[h] @ replicas + p.sites.migration_usd[h] @ started)


def plans_of(p: AssignmentProblem, s: int) -> list[tuple[float, Floats]]:
    """(cost, use) of all plans of a service."""
    h = np.flatnonzero(p.sites.service == s)
    out = []
    for n in itertools.product(*[range(p.sites.replicas_min[i], p.sites.replicas_max[i] + 1) for i in h]):
        use = np.zeros(p.capacity.shape)
        np.add.at(use, p.sites.pool[h], p.sites.use[h] * np.array(n)[:, None])
        out.append((cost(p, s, n), use))
    return out


def optimum(p: AssignmentProblem) -> float:
    """By listing every combination."""
    costs, uses = np.zeros(1), np.zeros((1, *p.capacity.shape))
    for s in range(p.services):
        every = plans_of(p, s)
        costs = (costs[:, None] + np.array([c for c, _ in every])).ravel()
        uses = (uses[:, None] + np.array([u for _, u in every])).reshape(-1, *p.capacity.shape)
        fits = (uses <= p.capacity + 1e-9).all(axis=(1, 2))
        costs, uses = costs[fits], uses[fits]
    return float(costs.min())


def used(p: AssignmentProblem, n: Ints) -> Floats:
    total = np.zeros(p.capacity.shape)
    np.add.at(total, p.sites.pool, p.sites.use * n[:, None])
    return total


@pytest.mark.parametrize("seed", range(12))
def test_plan_when_compared_with_every_plan_is_between_bound_and_little_above_the_optimum(seed: int) -> None:
    p = problem(seed)
    best = optimum(p)

    answer = solve_integers(p).assignment

    assert answer.lower_bound_usd_per_hour <= best * (1 + 1e-6)
    assert best * (1 - 1e-6) <= answer.objective_usd_per_hour <= best * 1.1
    assert (used(p, answer.replicas) <= p.capacity + 1e-9).all()


@pytest.mark.parametrize("seed", range(4))
def test_cost_when_written_as_the_formulation_is_the_same(seed: int) -> None:
    p = problem(seed)
    layout = lay_out(p)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        n = rng.integers(0, MOST + 1, len(p.sites))
        naive = [cost(p, s, tuple(n[p.sites.service == s])) for s in range(p.services)]
        assert expenses(layout, n) == pytest.approx(naive, rel=1e-6)
        load = flows(layout, n)[layout.place]
        carried = np.bincount(p.routes.site, load, len(p.sites))
        assert (carried <= layout.lift * n + 1e-6).all()
        assert (np.bincount(p.routes.demand, load, len(p.demands)) <= p.demands.rps + 1e-6).all()


def test_cost_when_sites_are_many_and_too_small_is_that_of_the_program() -> None:
    layout = lay_out(synthetic(60, 12, 3))
    every = np.arange(layout.services)
    parts = programs(layout, every, strong=False)
    rng = np.random.default_rng(3)
    n = np.round(nearest_plans(layout) * rng.uniform(0.4, 1.1, len(layout.usd))).astype(np.int64)
    n += rng.random(len(n)) < 0.3
    usd = expenses(layout, n)
    for s in every.tolist():
        asked = question(layout, parts, s, layout.usd, whole=True)
        lower, upper = asked.lower.copy(), asked.upper.copy()
        lower[asked.replicas] = upper[asked.replicas] = n[layout.site0[s] : layout.site0[s + 1]]
        least, _ = answer(asked._replace(lower=lower, upper=upper, replicas=asked.replicas[:0]), STOP, 0)
        assert usd[s] == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_bound_when_prices_are_arbitrary_is_never_above_the_optimum(seed: int) -> None:
    p = problem(seed)
    layout, best = lay_out(p), optimum(p)
    every = np.arange(p.services)
    for scale in (0.0, 0.3, 3.0):
        pool_usd = scale * np.random.default_rng(seed).random(p.capacity.shape)
        priced = price_out(layout, map, every, layout.low, pool_usd)
        for mips in (0, 100):
            proof = tighten(layout, map, bound(layout, map, every, priced, pool_usd), np.inf, mips)
            assert proof.least.sum() - layout.rent(pool_usd) <= best * (1 + 1e-6)


def test_service_when_walked_exhaustively_is_at_its_optimum() -> None:
    for seed in range(6):
        p = problem(seed)
        layout = lay_out(p)
        every = np.arange(p.services)
        found: Priced = price_out(layout, map, every, layout.low, np.zeros(p.capacity.shape), 100_000)
        assert found.exact.all()
        assert found.usd == pytest.approx([min(c for c, _ in plans_of(p, s)) for s in every], rel=1e-6)


def test_answer_when_asked_twice_or_in_threads_is_the_same() -> None:
    p = problem(3, services=6, pools=4)
    first = solve_integers(p)
    again = solve_integers(p)
    with ThreadPoolExecutor(2) as pool:
        threaded = solve_integers(p, mapper=lambda work, tasks, /: pool.map(work, tasks))
    for other in (again, threaded):
        assert (other.assignment.replicas == first.assignment.replicas).all()
        assert other.assignment.lower_bound_usd_per_hour == first.assignment.lower_bound_usd_per_hour


@pytest.mark.parametrize("seed", range(6))
def test_warm_start_when_one_service_moved_stays_between_bound_and_optimum(seed: int) -> None:
    p = problem(seed)
    before = solve_integers(p)
    rps = np.array(p.demands.rps)
    rps[:2] *= 1.3
    moved = replace(p, demands=replace(p.demands, rps=floats(rps)))
    best = optimum(moved)

    warm = solve_integers(moved, before.standing)

    assert warm.certified_services in (1, p.services), "only what moved, or everything where that is not enough"
    assert warm.assignment.lower_bound_usd_per_hour <= best * (1 + 1e-6)
    assert best * (1 - 1e-6) <= warm.assignment.objective_usd_per_hour <= best * 1.15


def test_warm_start_when_nothing_moved_is_not_worse() -> None:
    p = problem(1)
    cold = solve_integers(p)

    warm = solve_integers(p, cold.standing)

    assert warm.certified_services == 0
    assert warm.assignment.objective_usd_per_hour <= cold.assignment.objective_usd_per_hour * (1 + 1e-9)
    assert warm.assignment.lower_bound_usd_per_hour == pytest.approx(cold.assignment.lower_bound_usd_per_hour)


def test_warm_start_when_capacity_shrinks_fits_again() -> None:
    p = problem(2)
    cold = solve_integers(p)
    low = used(p, np.asarray(p.sites.replicas_min))
    less = replace(p, capacity=floats(np.maximum(p.capacity / 3, low)))

    warm = solve_integers(less, cold.standing)

    best = optimum(less)
    assert (used(p, warm.assignment.replicas) <= less.capacity + 1e-9).all()
    assert warm.assignment.lower_bound_usd_per_hour <= best * (1 + 1e-6)


def test_problem_when_its_least_replicas_do_not_fit_is_refused_with_the_pools() -> None:
    p = problem(0)
    sites = replace(
        p.sites, replicas_min=ints(np.full(len(p.sites), MOST)), replicas_max=ints(np.full(len(p.sites), MOST))
    )
    with pytest.raises(ValueError, match=r"pools \[0, 1, 2\] cannot hold"):
        solve_integers(replace(p, sites=sites))


def test_problem_when_services_call_each_other_is_refused_by_name() -> None:
    p = replace(problem(0), calls_parent=ints([0]), calls_child=ints([1]), calls_per_request=floats([1.0]))
    with pytest.raises(ValueError, match="calls between services"):
        solve_integers(p)


def test_certificate_when_no_programs_are_allowed_is_weaker_and_holds() -> None:
    p = problem(5)
    quick = solve_integers(p, effort=Effort(mips=0))
    assert quick.mips == 0
    assert quick.assignment.lower_bound_usd_per_hour <= optimum(p) * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_packing_when_everything_wants_the_same_pools_never_overfills_and_ends_near_the_bound(seed: int) -> None:
    full = synthetic(16, 6, seed)
    tight = replace(full, capacity=floats(full.capacity * 0.8))

    answer = solve_integers(tight, effort=Effort(passes=1)).assignment

    assert (used(tight, np.asarray(answer.replicas)) <= tight.capacity + 1e-9).all()
    assert answer.lower_bound_usd_per_hour * (1 - 1e-9) <= answer.objective_usd_per_hour
    assert answer.gap <= 0.03


def test_packing_when_started_overfull_ends_in_pools_that_hold_it() -> None:
    layout = lay_out(synthetic(40, 10, 2))
    n = nearest_plans(layout) * 3

    packed = pack(layout, n, np.zeros(layout.capacity.shape))

    assert not fits(layout, n).all()
    assert fits(layout, packed).all()
    assert (packed >= layout.low).all()


def test_exchange_when_made_keeps_what_fits_and_never_costs_more() -> None:
    layout = lay_out(synthetic(40, 10, 5))
    every = np.arange(layout.services)
    plans = Plans(layout)
    pool_usd = np.zeros(layout.capacity.shape)
    for n in (layout.low, nearest_plans(layout), price_out(layout, map, every, layout.low, pool_usd).n):
        plans.add(every, n, layout.usd, expenses(layout, n))
    pool_usd = relax(plans).pool_usd
    n = pack(layout, nearest_plans(layout), pool_usd)
    before = expenses(layout, n)

    after, usd = exchange(plans, n, before, pool_usd, 0.0, 20)

    assert fits(layout, after).all()
    assert usd == pytest.approx(expenses(layout, after), rel=1e-9)
    assert usd.sum() <= before.sum() * (1 + 1e-12)
