"""Small assignment problems with everything in them: calls, links, losses, spread, limits, migration, scarce pools."""

from dataclasses import replace

import numpy as np

from benchmarks.instances import synthetic
from placement.assignment import AssignmentProblem, AssignmentRoutes, Demands, Links
from placement.columns import Floats, floats, ints
from placement.solve.prices import PriceModel, Prices


def crowded(seed: int, services: int = 9, clusters: int = 5, forced: float = 0.1) -> AssignmentProblem:
    """A synthetic problem, made harder at random; `forced` of the sites have a least number of replicas."""
    rng = np.random.default_rng(seed)
    problem = synthetic(services, clusters, seed, migration=0.3)
    sites = problem.sites
    natural = np.bincount(problem.demands.service, problem.demands.rps, services)[sites.service]
    wanted = natural / sites.rps_per_replica
    spread = np.where(rng.random(services) < 0.3, 0.6, 1.0)
    least = np.where((rng.random(len(sites)) < forced) & (spread[sites.service] == 1), 1, 0)  # else no answer may exist
    used = problem.pool_use(least)
    problem = replace(
        problem,
        capacity=floats(np.maximum(problem.capacity * rng.uniform(0.4, 1.2), used * 1.01)),
        spread_max=floats(spread),
        sites=replace(
            sites,
            replicas_min=ints(least),
            replicas_max=ints(np.where(rng.random(len(sites)) < 0.3, np.maximum(1, wanted * 0.3), 10**9)),
            standing=ints(rng.integers(0, 1 + np.ceil(wanted * 0.5).astype(np.int64))),
        ),
    )
    return _with_links(_with_calls(problem, rng), rng)


def _with_calls(problem: AssignmentProblem, rng: np.random.Generator) -> AssignmentProblem:
    """Services 0 -> 1 -> 2 and 0 -> 2; the called ones get a demand at every cluster and routes to all their sites."""
    clusters = int(problem.sites.cluster.max()) + 1
    demands, routes, sites = problem.demands, problem.routes, problem.sites
    extra_service = np.repeat([1, 2], clusters)
    mesh = np.tile(np.arange(clusters), 2)
    new = len(demands) + np.arange(len(extra_service))
    demand, site = np.nonzero(extra_service[:, None] == sites.service[None, :])
    usd = np.concatenate([routes.usd, rng.uniform(0, 0.05, len(demand)) * problem.unit_usd[extra_service[demand]]])
    to = np.concatenate([routes.demand, new[demand]])
    at = np.concatenate([routes.site, site])
    service = np.concatenate([routes.service, extra_service[demand]])
    size = np.concatenate([routes.bytes_per_request, np.full(len(demand), 1e3)])
    order = np.lexsort((usd, to))
    shed = 20 * problem.unit_usd[extra_service]
    return replace(
        problem,
        block=ints(np.maximum(np.arange(problem.services) - 2, 0)),
        demands=Demands(
            ints(np.concatenate([demands.service, extra_service])),
            ints(np.concatenate([demands.mesh, mesh])),
            floats(np.concatenate([demands.rps, np.zeros(len(mesh))])),
            floats(np.concatenate([demands.shed_usd, shed])),
        ),
        routes=AssignmentRoutes(
            ints(to[order]), ints(at[order]), ints(service[order]), floats(usd[order]), floats(size[order])
        ),
        calls_parent=ints([0, 1, 0]),
        calls_child=ints([1, 2, 2]),
        calls_per_request=floats([1.5, 0.5, 0.2]),
    )


def _with_links(problem: AssignmentProblem, rng: np.random.Generator) -> AssignmentProblem:
    """Two limits, each passed by a third of the routes, that bind for part of the traffic."""
    routes = len(problem.routes)
    route, link = np.nonzero(rng.random((routes, 2)) < 0.33)
    amount = problem.routes.bytes_per_request[route]
    heavy = np.bincount(link, amount, 2)
    share = problem.demands.rps.sum() / routes
    bandwidth = heavy * share * rng.uniform(0.2, 2.0, 2)
    return replace(problem, links=Links(ints(route), ints(link), floats(amount), floats(bandwidth)))


def random_prices(problem: AssignmentProblem, rng: np.random.Generator) -> Prices:
    """Any point of the dual's domain, sparse and dense, small and large."""
    model = PriceModel(problem)

    def some(size: int | tuple[int, ...], most: Floats | float) -> Floats:
        return floats((rng.random(size) < rng.uniform(0.1, 0.9)) * rng.random(size) ** 3 * most)

    return Prices(
        pool=some(problem.capacity.shape, 2 * np.maximum(problem.usd_scale, 1e-3)),
        link=some(len(problem.links.bandwidth), 1e-3),
        loss=some(len(problem.losses), problem.losses.short_usd),
        spread=some(len(problem.sites), model.unit),
        start=floats(rng.normal(0, 0.5, len(problem.sites)) * model.start_scale)
        if len(model.limited) == len(problem.sites)
        else floats(np.zeros(len(problem.sites))),
    )
