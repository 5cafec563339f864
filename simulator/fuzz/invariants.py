"""What must hold after every turn, whatever happens: one function per rule, each from what was seen to what is wrong.

The rules are those of a controller that may be trusted (docs/invariants.md): lawful and whole weights, nothing to what
is dead, bounded steps, fences, a record before every act, nothing decided on stale or impossible input. They are
written anew here, from tables and loads, and call none of the code that they watch over.
"""

from collections.abc import Callable, Iterator

import numpy as np

from health.verdict import usable
from placement.columns import Floats
from placement.cost import loads
from placement.plan import Reason
from placement.problem import DEMAND_FLOOR_RPS
from scheduler.state import Mode
from simulator.fuzz.seen import Seen

Rule = Callable[[Seen], Iterator[str]]
RULES: dict[str, Rule] = {}
"""By name."""
TRICKLE = 0.01
"""Share that may stay on what is out, for a look at it."""
ROUNDING = 0.005
"""Share by which integer weights may differ from what was decided."""
EXACT = 0.001
"""In parts and in rps: what differs by less is the same before it is rounded to weights."""
SOUND_S = 5.0
"""Whoever answered everything for this long is not to be taken out."""
DEAD_S = 6.0
"""Whoever answered nothing for this long has been found dead."""
ROOM = 0.5
"""A backend that is less full than this has room."""
TINY_RPS = 1.0


def rule(name: str) -> Callable[[Rule], Rule]:
    """Registers a rule."""

    def register(check: Rule) -> Rule:
        RULES[name] = check
        return check

    return register


def broken(seen: Seen) -> Iterator[tuple[str, str]]:
    """(rule, what is wrong) of everything that does not hold."""
    for name, check in RULES.items():
        for words in check(seen):
            yield name, words


@rule("whole")
def whole(seen: Seen) -> Iterator[str]:
    """Weights of a service are integers that add up to the unit with what is refused, and are never nothing."""
    for origin, table in seen.stands.items():
        for service, targets, shed in table.items():
            weights = [target.weight for target in targets]
            if min([shed, *weights]) < 0 or sum(weights) + shed != table.unit:
                yield f"{service}@{origin}: weights {weights} and {shed} refused are not {table.unit}"


@rule("lawful")
def lawful(seen: Seen) -> Iterator[str]:
    """No table names a cluster that may not serve the service or does not run it, not even as a standby."""
    fleet = seen.fleet
    services = {name: row for row, name in enumerate(fleet.services.ids)}
    clusters = {name: row for row, name in enumerate(fleet.clusters.ids)}
    hosted = set(zip(fleet.backends.service.tolist(), fleet.backends.cluster.tolist(), strict=True))
    for origin, table in seen.stands.items():
        for service, targets, _ in table.items():
            for target in targets:
                place = services[service], clusters[target.cluster]
                if not fleet.allowed[place] or place not in hosted:
                    yield f"{service}@{origin} may not go to {target.cluster}"


@rule("nothing to the dead")
def nothing_to_the_dead(seen: Seen) -> Iterator[str]:
    """What is out of service gets nothing, unless its mesh could not be told."""
    fleet = seen.fleet
    reached = dict(zip(fleet.origins.ids, seen.truth.takes_weights(fleet).tolist(), strict=True))
    tried = {o: outcome.landed for o, outcome in seen.turn.outcomes.items()}
    told = {o: t for o, t in seen.stands.items() if reached[o] and tried.get(o, True)}
    if seen.wanted is Mode.STOPPED:
        return
    share = _to_backends(seen, seen.shares(told))
    out = ~usable(seen.after.verdicts) & ~_unheard(seen) & ~_waits_for_a_human(seen)
    for flow, backend in np.argwhere((share > TRICKLE) & out[None, :]).tolist():
        part, name = share[flow, backend], fleet.backend_name(backend)
        yield f"{part:.0%} of {fleet.flow_name(flow)} goes to {name}, which is out"


@rule("fences")
def fences(seen: Seen) -> Iterator[str]:
    """(epoch, version) of a mesh never falls."""
    for origin, table in seen.stands.items():
        before = seen.stood.get(origin)
        if before is not None and table.fence < before.fence:
            yield f"{origin} went from {before.fence} back to {table.fence}"
        if before is not None and table.fence == before.fence and not table.same_weights(before):
            yield f"{origin} changed under the same fence {table.fence}"


@rule("written ahead")
def written_ahead(seen: Seen) -> Iterator[str]:
    """Nothing is pushed that was not written down before; only a failover may do without a ledger."""
    for table in seen.written():
        known = (table.origin, *table.fence) in seen.intended
        if not known and (seen.truth.records or seen.turn.plan.reason is not Reason.FAILOVER):
            yield f"{table.origin}: {table.fence} was never written down"


@rule("bounded step")
def bounded_step(seen: Seen) -> Iterator[str]:
    """The optimizer takes no more of a flow from its clusters in one turn than it may, unless something has to get out.

    To let in what was refused moves nobody.
    """
    if seen.turn.plan.reason is not Reason.SOLVED or _stranded(seen):
        return
    problem = seen.after.problem
    written = {table.origin: table for table in seen.written() if table.origin in seen.stood}
    if problem is None or not written:
        return
    stood = {origin: seen.stood[origin] for origin in written}
    left = np.maximum(seen.shares(stood) - seen.shares(written), 0.0)[:, :-1].sum(axis=1)
    was, becomes = (loads(problem, r).demand_rps for r in (seen.turn.snapshot.routing, seen.turn.plan.routing))
    left_rps = left * was
    most = (seen.policy.limits.step_max + ROUNDING) * np.maximum(was, becomes) + 2 * DEMAND_FLOOR_RPS
    for flow in np.flatnonzero(left_rps > most).tolist():
        may = f"{seen.policy.limits.step_max:.0%} may"
        yield f"{left[flow]:.0%} of {was[flow]:.1f} rps of {seen.fleet.flow_name(flow)} moved at once, {may}"


@rule("no new overload")
def no_new_overload(seen: Seen) -> Iterator[str]:
    """However a step is applied, mesh by mesh, no backend gets over its capacity by more than the part of it that a
    least step may take, whatever calls make of the step.

    One that is over it already does not get more by the whole of the step.
    """
    problem = seen.after.problem
    if problem is None or seen.turn.plan.reason is not Reason.SOLVED or _stranded(seen):
        return
    before, after = seen.turn.snapshot.routing, seen.turn.pushed
    old, new = (loads(problem, routing).demand_rps[:, None] * routing.dense() for routing in (before, after))
    old_rps, new_rps, mixed_rps = (_to_backends(seen, rps).sum(axis=0) for rps in (old, new, np.maximum(old, new)))
    over = old_rps > problem.capacity_rps
    worst = np.where(over, new_rps, mixed_rps)
    most = np.where(over, old_rps, (1 + seen.policy.limits.step_min) * problem.capacity_rps)
    for backend in np.flatnonzero(worst > most * (1 + EXACT) + EXACT).tolist():
        name, limit = seen.fleet.backend_name(backend), problem.capacity_rps[backend]
        yield f"{name} may get {worst[backend]:.1f} rps while meshes follow, its capacity is {limit:.1f}"


@rule("receivers have room")
def receivers_have_room(seen: Seen) -> Iterator[str]:
    """A failover never puts more on a backend than its capacity, or than it had."""
    problem = seen.after.problem
    if problem is None or seen.turn.plan.reason is not Reason.FAILOVER:
        return
    before = loads(problem, seen.turn.snapshot.routing).backend_rps
    after = loads(problem, seen.turn.pushed).backend_rps
    most = np.maximum(problem.capacity_rps, before) * (1 + ROUNDING) + TINY_RPS
    for backend in np.flatnonzero(after > most).tolist():
        name, limit = seen.fleet.backend_name(backend), problem.capacity_rps[backend]
        yield f"{name} gets {after[backend]:.1f} rps, its capacity is {limit:.1f}"


@rule("refuses what finds no room")
def refuses_what_finds_no_room(seen: Seen) -> Iterator[str]:
    """A failover refuses no larger part of a service that calls nobody while a backend that may serve it is half empty.

    What was refused stays so until the optimizer lets it in, and with it that part of what callers bring along.
    """
    problem, fleet = seen.after.problem, seen.fleet
    if problem is None or seen.turn.plan.reason is not Reason.FAILOVER:
        return
    made, before = loads(problem, seen.turn.pushed), loads(problem, seen.turn.snapshot.routing)
    stood = before.shed_rps * np.maximum(made.demand_rps / np.maximum(before.demand_rps, DEMAND_FLOOR_RPS), 1.0)
    newly = made.shed_rps - stood > np.maximum(TINY_RPS, 0.05 * made.demand_rps)
    newly &= seen.truth.takes_weights(fleet)[fleet.flows.origin]
    calls = np.isin(fleet.flows.service, fleet.calls.parent)
    empty = (made.utilization(problem.capacity_rps) < ROOM) & (problem.capacity_rps > TINY_RPS)
    empty &= seen.turn.snapshot.warmth >= 1.0  # what ramps is filled as far as it was let in a turn ago
    offered = np.zeros(len(fleet.flows), dtype=bool)
    offered[problem.routes.flow[empty[problem.routes.backend]]] = True
    for flow in np.flatnonzero(newly & offered & ~calls).tolist():
        yield f"{made.shed_rps[flow]:.1f} rps of {fleet.flow_name(flow)} refused while there is room"


@rule("finite")
def finite(seen: Seen) -> Iterator[str]:
    """No reading that is planned with is negative, NaN, or above what was declared by more than is believed."""
    readings = seen.after.readings
    for name in ("demand_rps", "capacity_rps", "latency_ms", "error_ratio"):
        column = getattr(readings, name)
        if not (np.isfinite(column) & (column >= 0)).all():
            yield f"{name} holds {column[~(np.isfinite(column) & (column >= 0))][:3]}"
    most = seen.policy.hygiene.capacity_max_ratio * seen.declared.capacity_rps
    for backend in np.flatnonzero(readings.capacity_rps > most * (1 + 1e-9)).tolist():
        yield f"{seen.fleet.backend_name(backend)} is believed to serve {readings.capacity_rps[backend]:.0f} rps"


@rule("stale holds")
def stale_holds(seen: Seen) -> Iterator[str]:
    """Nothing is optimized on readings that are too old."""
    age_s = seen.turn.snapshot.age_s()
    if seen.turn.plan.reason is Reason.SOLVED and age_s > seen.policy.readings_age_max_s:
        yield f"solved on readings that are {age_s:.0f} s old"


@rule("reborn quietly")
def reborn_quietly(seen: Seen) -> Iterator[str]:
    """A controller that was started again and has nothing to go by leaves everything as it stands."""
    if seen.reborn and seen.turn.plan.reason in {Reason.HELD, Reason.FROZEN}:
        for table in seen.written():
            before = seen.stood.get(table.origin)
            if before is not None and not table.same_weights(before):
                yield f"{table.origin} was rewritten by the first turn of epoch {seen.turn.epoch}"


@rule("dead is found")
def dead_is_found(seen: Seen) -> Iterator[str]:
    """What answers nobody is out before long, unless too much would be out or only one vantage of several looks."""
    if seen.looked_s <= DEAD_S:
        return
    late = (seen.dead_s > DEAD_S) & usable(seen.after.verdicts) & ~seen.after.verdicts.doubted & ~seen.reborn
    late &= ~_unheard(seen)
    for backend in np.flatnonzero(late).tolist():
        yield f"{seen.fleet.backend_name(backend)} is dead for {seen.dead_s[backend]:.1f} s and in service"


@rule("sound is kept")
def sound_is_kept(seen: Seen) -> Iterator[str]:
    """What answers everybody is not taken out, whatever telemetry says."""
    names = {seen.fleet.backend_name(b): b for b in np.flatnonzero(seen.sound_s > SOUND_S).tolist()}
    for change in seen.turn.changes:
        if change.after == "DOWN" and change.backend in names:
            yield f"{change.backend} was taken out and nothing is wrong with it"


@rule("doubt before panic")
def doubt_before_panic(seen: Seen) -> Iterator[str]:
    """No more than half of the clusters are ever dark that were alive, and to be reached, when they went out."""
    fleet = seen.fleet
    lit = np.bincount(fleet.backends.cluster, weights=usable(seen.after.verdicts), minlength=len(fleet.clusters)) > 0
    out_s = seen.turn.at_s - seen.after.verdicts.turned_at_s
    alive = seen.alive_s > out_s + DEAD_S
    lives = np.bincount(fleet.backends.cluster, alive, minlength=len(fleet.clusters)) > 0
    dark = int((lives & ~lit).sum())
    if dark > max(1, seen.policy.rules.panic_ratio * len(fleet.clusters)):
        yield f"{dark} of {len(fleet.clusters)} clusters are out and live"


@rule("an operator decides")
def an_operator_decides(seen: Seen) -> Iterator[str]:
    """Frozen, nothing is optimized; stopped, nothing is written."""
    if seen.wanted is not Mode.AUTO and seen.turn.plan.reason is Reason.SOLVED:
        yield f"optimized while {seen.wanted}"
    if seen.wanted is Mode.STOPPED and seen.turn.outcomes:
        yield f"wrote to {', '.join(seen.turn.outcomes)} while stopped"


@rule("believes its meshes")
def believes_its_meshes(seen: Seen) -> Iterator[str]:
    """What a mesh refused is not taken for what it has."""
    for origin, outcome in seen.turn.outcomes.items():
        known = seen.after.tables.get(origin)
        if outcome.receipt is None and known is not None and known.fence == outcome.table.fence:
            yield f"{origin} refused {outcome.table.fence} ({outcome.detail}), and the loop believes it has it"


def _to_backends(seen: Seen, rps: Floats) -> Floats:
    """(F, B) of (F, C + 1): what goes to each backend of the flow's own service."""
    fleet = seen.fleet
    mine = fleet.flows.service[:, None] == fleet.backends.service[None, :]
    return np.asarray(np.where(mine, rps[:, fleet.backends.cluster], 0.0), dtype=np.float64)


def _stranded(seen: Seen) -> bool:
    """Whether something stood on what is out when the turn began: then it may move as far as it has to."""
    share = _to_backends(seen, seen.turn.snapshot.routing.dense())
    return bool((share[:, ~usable(seen.after.verdicts)] > 0).any())


def _waits_for_a_human(seen: Seen) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """(B,) backends in domains that are lost beyond the budget of evacuations."""
    lost = np.zeros(len(seen.fleet.clusters), dtype=bool)
    for domain in seen.after.conduct.refused:
        lost |= domain.clusters
    return np.asarray(lost[seen.fleet.backends.cluster], dtype=np.bool_)


def _unheard(seen: Seen) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """(B,) backends that changed only after this turn looked at the probes."""
    return np.asarray(seen.after.verdicts.since_s > seen.turn.at_s, dtype=np.bool_)
