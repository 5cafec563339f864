"""Joint placement on top: who holds the replicas of a cluster, decided by the production solve, then routed as before.

The stock stays as the tables have it: of every cluster and kind of node, as many replicas as all services together may
have there now. Only who has them changes: whole replicas for planned demand, and what is left over in proportion to
them, as room to grow. A service may stand wherever there are nodes of a kind that it runs on anywhere; it has one kind
in a cluster. Autoscalers, prices, round trips, demand and physics are those of the study.
"""

from dataclasses import replace

import numpy as np

from benchmarks.policy_fleets import controller
from benchmarks.policy_fleets.demand import Slots, blocks, expected
from benchmarks.policy_fleets.fleets import model
from benchmarks.policy_fleets.instances import STEPS, Instance
from benchmarks.policy_fleets.physics import Outcome, play, together
from placement.baseline import nearest
from placement.columns import Floats, Ints, floats, ints
from placement.fleet import Fleet, Pools
from placement.solve.routing import solve_routing
from placement.solve.whole import Effort, solve_whole
from placement.workloads import PlacingPrices, Workloads, assignment_problem

PLACED_PER_DAY = 6
EFFORT = Effort(nodes=50, stop=0.01)
"""Less than the default: a placement takes seconds and not minutes, within a certified percent or so."""


def day(instance: Instance, time: Slots, first: int, sigma: float, seed: int) -> Outcome:
    """A normal day placed anew every few hours, for the highest demand that the profiles expect in them, and routed.

    Where the new places promise nothing better than the given ones, those stay: a change has to be worth it.
    """
    outcomes = []
    for part, slots in blocks(time, max(round(PLACED_PER_DAY * len(time.weight) / STEPS), 1)):
        ahead = expected(instance, first + part)
        there = placed(instance, ahead.max(axis=0))
        if promised_usd(there, ahead.mean(axis=0)) >= promised_usd(instance, ahead.mean(axis=0)):
            there = instance
        made = model(there)
        weights = controller.plan(made, slots, sigma, seed)
        routed = made.shares(controller.spilled(made, slots, weights))
        outcomes.append(play(there, slots.weight, slots.demand_rps, routed))
    return together(outcomes)


def placed(instance: Instance, demand_rps: Floats) -> Instance:
    """The instance with its replicas where production would put them for (A, O) demand."""
    open_to = everywhere(instance)
    made = model(open_to)
    kinds = sorted({kind for row in open_to.pool for kind in row} - {""})
    kind = np.array([[kinds.index(name) if name else -1 for name in row] for row in open_to.pool])
    stock = _stock(instance, kinds)
    fleet = _with_pools(made.fleet, kind, stock)
    at = (fleet.sites.service, fleet.backends.cluster[fleet.sites.backend])
    workloads = _workloads(fleet, instance.replicas_max[at])
    readings = replace(made.snapshot.readings, demand_rps=made.external_rps(demand_rps))
    snapshot = replace(made.snapshot, readings=readings, routing=nearest(fleet))
    prices = PlacingPrices(candidates=len(instance.cluster))
    whole = solve_whole(assignment_problem(fleet, workloads, snapshot, prices), EFFORT).replicas
    replicas = np.zeros_like(instance.replicas_max)
    replicas[at] = whole
    return replace(open_to, replicas_max=_grown(replicas, kind, stock))


def promised_usd(instance: Instance, demand_rps: Floats) -> float:
    """$/h of routing (A, O) demand over an instance, and of the replicas that idle."""
    made = model(instance)
    idle = float((instance.replica_usd * np.minimum(1.0, instance.replicas_max)).sum())
    return solve_routing(made.problem(demand_rps)).cost.objective_usd_per_hour + idle


def everywhere(instance: Instance) -> Instance:
    """The instance with a site for every service in every cluster that has nodes of a kind it runs on."""
    pool = [list(row) for row in instance.pool]
    usd, service_ms = instance.replica_usd.copy(), instance.service_ms.copy()
    table = np.array(instance.pool)
    for s, row in enumerate(pool):
        own = [kind for kind in dict.fromkeys(row) if kind]
        for c, name in enumerate(row):
            found = next((k for k in own if (table[:, c] == k).any()), "") if not name else ""
            if found:
                row[c] = found
                usd[s, c] = instance.replica_usd[np.flatnonzero(table[:, c] == found)[0], c]
                service_ms[s, c] = instance.service_ms[s, table[s] == found][0]
    there = np.array([[bool(name) for name in row] for row in pool])
    return replace(
        instance,
        pool=tuple(tuple(row) for row in pool),
        replica_usd=usd,
        service_ms=service_ms,
        replicas_max=np.where(there, np.maximum(instance.replicas_max, 1.0), 0.0),
    )


def _stock(instance: Instance, kinds: list[str]) -> Floats:
    """(kinds, C) replicas."""
    table = np.array(instance.pool)
    return np.stack([np.where(table == kind, instance.replicas_max, 0.0).sum(axis=0) for kind in kinds])


def _with_pools(fleet: Fleet, kind: Ints, stock: Floats) -> Fleet:
    """The fleet with one pool for each kind and cluster, which holds the stock."""
    kinds, clusters = stock.shape
    cluster = fleet.backends.cluster
    pool = cluster * kinds + kind[fleet.backends.service, cluster]
    capacity = np.zeros((kinds * clusters, 4))
    capacity[:, 0] = np.floor(stock.T.ravel() + 1e-9)
    pools = Pools(
        cluster=ints(np.repeat(np.arange(clusters), kinds)),
        node_type=("any",) * (kinds * clusters),
        nodes=ints(np.ones(kinds * clusters)),
        capacity=floats(capacity),
        usd_per_node_hour=floats(np.ones(kinds * clusters)),
    )
    return replace(fleet, pools=pools, sites=replace(fleet.sites, pool=ints(pool)))


def _workloads(fleet: Fleet, standing: Floats) -> Workloads:
    """One unit of its pool a replica, and no limits but the pools."""
    services = len(fleet.services)
    return Workloads(
        resources=floats(np.tile([1.0, 0.0, 0.0, 0.0], (services, 1))),
        survive_ratio=floats(np.zeros(services)),
        spread_max=floats(np.ones(services)),
        standing=ints(np.floor(standing)),
        replicas_min=ints(np.zeros(len(standing))),
        replicas_max=ints(fleet.pools.capacity[fleet.sites.pool, 0]),
    )


def _grown(replicas: Floats, kind: Ints, stock: Floats) -> Floats:
    """(S, C) replicas and their part of what is left of the stock."""
    out = replicas.copy()
    for k in range(len(stock)):
        mine = np.where(kind == k, replicas, 0.0)
        used = mine.sum(axis=0)
        out = np.where(kind == k, mine * (stock[k] / np.where(used > 0, used, 1.0)), out)
    return out
