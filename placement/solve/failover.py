"""Failover tables: one routing solve for every single loss, started from the plan that is about to stand."""

from dataclasses import replace

from placement.cost import evaluate
from placement.failover import FailoverTable, losses, spill, summary, tabulate
from placement.fleet import Fleet
from placement.problem import Prices, formulate
from placement.readings import Snapshot
from placement.routing import Routing
from placement.solve.linear import Unsolved
from placement.solve.routing import solve_routing


def failover_table(fleet: Fleet, snapshot: Snapshot, routing: Routing, prices: Prices) -> FailoverTable:
    """The table for a plan. Churn is counted from the plan, so flows that are not hit stay unless room is needed.

    A loss whose problem the solver gives up on is covered by the spill, which always answers.
    """
    base = replace(snapshot, routing=routing)
    entries = []
    for loss in losses(fleet):
        problem = formulate(fleet, base, prices, loss.clusters)
        usable = snapshot.usable & ~loss.clusters[fleet.backends.cluster]
        try:
            answer = solve_routing(problem).routing
        except Unsolved:
            answer = spill(problem, routing, usable)
        worst, name, shed_rps = summary(problem, answer)
        entries.append((loss, answer, worst, name, shed_rps, evaluate(problem, answer).objective_usd_per_hour))
    return tabulate(snapshot.at_s, entries)
