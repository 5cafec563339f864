"""What must hold once every fault has healed: everybody in service, everybody served, nothing left to gain."""

from collections.abc import Iterator, Sequence

import numpy as np

from health.verdict import usable
from placement.columns import Floats
from placement.cost import evaluate, loads
from placement.problem import Problem
from placement.routing import Routing
from placement.solve.linear import Unsolved
from placement.solve.routing import solve_routing
from simulator.fuzz.seen import Seen
from simulator.physics.books import Books

LAST_S = 30.0
"""The end of a run that is looked at."""
SERVED = 0.995
"""Part of requests, at least, in that time, where the optimum refuses nobody."""
NEAR = 0.1
"""How far from the optimum, in parts of it, the routing may be in the end: demand moves a little all the time, and
where there is too much of it, refusing that little is dear."""
RESTLESS = 0.03
"""How far demand moves from one tick to the next, in parts of a capacity: a full backend may be over it by so much, and
where the optimum leaves less room than that, so many requests may find none."""


def unsettled(recent: Sequence[Seen], books: Books, hasty: bool) -> Iterator[tuple[str, str]]:
    """(rule, what is wrong) at the end of a run; how much is left to gain or to let in only where nothing set the pace:
    to let in what calls others moves these, and that takes as long as the pace says.

    Of the `recent` turns, the last one last, one has to be near its optimum: where demand moves all the time, so does
    what is best, and no single turn reaches it.
    """
    last = recent[-1]
    yield from (("all come back", words) for words in _out(last))
    yield from (("meshes agree", words) for words in _disagree(last))
    problem = last.after.problem
    if problem is None:
        return
    try:
        best = solve_routing(problem)
    except Unsolved as unsolved:
        yield "near the optimum", f"the last problem has no solution: {unsolved}"
        return
    if not hasty:
        return
    standing, least = _standing_usd(problem, last.turn.pushed), best.cost.objective_usd_per_hour
    if not (near(standing, least) or any(_was_near(seen) for seen in reversed(tuple(recent)[:-1]))):
        yield "near the optimum", f"{standing:.4g} $/h stands where {least:.4g} would do"
    overloaded = best.cost.shed > 1e-6 * abs(least) or last.after.verdicts.suppressed.any()
    wanted = SERVED - RESTLESS * brimful(loads(problem, best.routing).utilization(problem.capacity_rps))
    if not overloaded and served_ratio(books) < wanted:
        yield "everybody is served", f"{served_ratio(books):.2%} of requests at the end"


def served_ratio(books: Books) -> float:
    """Part of the requests of the last half minute that were answered well; 1 where nobody asked."""
    late = books.starts_s >= books.starts_s[-1] + books.length_s[-1] - LAST_S
    asked = float((books.asked_rps[late].sum(axis=1) * books.length_s[late]).sum())
    good = float((books.good_rps[late].sum(axis=1) * books.length_s[late]).sum())
    return good / asked if asked > 0 else 1.0


def brimful(utilization: Floats) -> bool:
    """Whether the best that can be done leaves less room somewhere than demand moves from one tick to the next."""
    return bool((utilization > 1 - RESTLESS).any())


def near(standing_usd: float, least_usd: float) -> bool:
    """Whether what stands, in $/h, is as good as the optimum."""
    return standing_usd <= least_usd + NEAR * abs(least_usd) + 1e-6


def _was_near(seen: Seen) -> bool:
    """Whether what an earlier turn left is near its own optimum."""
    problem = seen.after.problem
    if problem is None:
        return False
    try:
        least = solve_routing(problem).cost.objective_usd_per_hour
    except Unsolved:
        return False
    return near(_standing_usd(problem, seen.turn.pushed), least)


def _standing_usd(problem: Problem, routing: Routing) -> float:
    """$/h of a routing; to be over by as much as demand moves costs as much as to refuse it, and is no neglect."""
    cost, capacity_rps = evaluate(problem, routing), problem.capacity_rps
    restless = (loads(problem, routing).backend_rps <= (1 + RESTLESS) * capacity_rps + 1e-6).all()
    return cost.objective_usd_per_hour - (cost.overload if restless else 0.0)


def _out(last: Seen) -> Iterator[str]:
    """Backends out of service that are not chronic flappers."""
    out = ~usable(last.after.verdicts) & ~last.after.verdicts.suppressed
    for backend in np.flatnonzero(out).tolist():
        yield f"{last.fleet.backend_name(backend)} is out, {last.sound_s[backend]:.0f} s after it was well again"


def _disagree(last: Seen) -> Iterator[str]:
    """Meshes that have something else than what the loop believes."""
    for origin, table in last.after.tables.items():
        has = last.stands.get(origin)
        if has is None or not has.same_weights(table):
            yield f"{origin} has {has.fence if has else None}, the loop believes {table.fence}"
