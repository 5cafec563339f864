"""Naive twins of what the source does cleverly: plain loops, compared on random small inputs."""

import numpy as np
from scipy.optimize import linprog

from placement.problem import Problem
from placement.routing import Routing


def hamilton(shares: list[float], unit: int) -> list[int]:
    """Largest remainder of one row, the textbook way; ties go to the first."""
    floors = [int(share * unit + 1e-9) for share in shares]
    order = sorted(range(len(shares)), key=lambda i: (-(shares[i] * unit - floors[i]), i))
    for i in order[: unit - sum(floors)]:
        floors[i] += 1
    return floors


def demand_of(problem: Problem, shares: np.ndarray) -> np.ndarray:
    """(F,) demand under dense (F, C + 1) shares, by walking the call graph request by request, deepest last."""
    fleet = problem.fleet
    demand = problem.external_rps.copy()
    for _ in range(len(fleet.services) + 1):
        following = problem.external_rps.copy()
        for flow in range(len(fleet.flows)):
            origin = fleet.flows.origin[flow]
            home = fleet.origins.cluster[origin]
            for k in range(len(fleet.calls)):
                if fleet.calls.child[k] != fleet.flows.service[flow] or home < 0:
                    continue
                for parent in range(len(fleet.flows)):
                    if fleet.flows.service[parent] == fleet.calls.parent[k]:
                        following[flow] += fleet.calls.per_request[k] * demand[parent] * shares[parent, home]
        demand = following
    return demand


def optimum(problem: Problem) -> float:
    """The least objective of a routing problem: the same formulation, row by row, by SciPy's own HiGHS."""
    fleet, routes = problem.fleet, problem.routes
    flows, backends, count = len(fleet.flows), len(fleet.backends), len(routes)
    pieces = problem.pieces.rps.shape[1]
    columns = 2 * count + backends * pieces + flows  # kept, moved, load, shed
    cost, upper = np.zeros(columns), np.full(columns, np.inf)
    equal, equal_to = np.zeros((flows, columns)), problem.external_rps.copy()
    at = np.zeros((backends, columns))
    standing = problem.standing.dense()
    for x in range(count):
        flow, cluster, backend = routes.flow[x], routes.cluster[x], routes.backend[x]
        cost[x] = routes.usd[x]
        cost[count + x] = routes.usd[x] + problem.churn_usd[flow]
        upper[x] = standing[flow, cluster] * problem.demand_rps[flow]
        for column in (x, count + x):
            equal[flow, column] += 1
            at[backend, column] += 1
            for k in range(len(fleet.calls)):
                if fleet.calls.parent[k] != fleet.flows.service[flow]:
                    continue
                for child in range(flows):
                    home = fleet.origins.cluster[fleet.flows.origin[child]]
                    if fleet.flows.service[child] == fleet.calls.child[k] and home == cluster:
                        equal[child, column] -= fleet.calls.per_request[k]
    for b in range(backends):
        for i in range(pieces):
            column = 2 * count + b * pieces + i
            cost[column], at[b, column] = problem.pieces.usd[b, i], -1
            upper[column] = problem.pieces.rps[b, i]
    for flow in range(flows):
        column = 2 * count + backends * pieces + flow
        cost[column], equal[flow, column] = problem.shed_usd[flow], 1
    bounds = list(zip(np.zeros(columns), upper, strict=True))
    equal, equal_to = np.vstack([equal, at]), np.concatenate([equal_to, np.zeros(backends)])
    answer = linprog(cost, A_eq=equal, b_eq=equal_to, bounds=bounds)
    assert answer.status == 0, answer.message
    return float(answer.fun)


def worst_mix_rps(problem: Problem, old: Routing, new: Routing, backend: int, demand: np.ndarray) -> float:
    """The most a backend can get when every flow independently has old or new shares: all 2^F mixes."""
    fleet = problem.fleet
    cluster = fleet.backends.cluster[backend]
    mine = np.flatnonzero(fleet.flows.service == fleet.backends.service[backend])
    a, b = old.dense()[mine, cluster] * demand[mine], new.dense()[mine, cluster] * demand[mine]
    return max(sum(b[i] if mix >> i & 1 else a[i] for i in range(len(mine))) for mix in range(2 ** len(mine)))
