"""How a drill begins: every pre-condition looked at, and what it would move worked out, before anything is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from connectors.connector import Connector
from health.drill import Drill, Level, Phase, ladder
from placement.columns import Floats
from placement.fleet import OriginId
from placement.quantize import Rounding
from scheduler.drill_book import PathBook
from scheduler.drill_calendar import DrillPolicy
from scheduler.drill_ledger import DrillStore, Json
from scheduler.drill_live import Live
from scheduler.drill_plan import Rehearsal, receivers, rehearsal
from scheduler.drill_sight import Look, barred, left_out, precedence, row_of
from scheduler.ports import Clock, Compute, Watch


class NotNow(Exception):  # noqa: N818  an answer, not an error
    """A drill that was asked for cannot begin; says every reason."""


@dataclass(frozen=True, slots=True)
class DrillPorts:
    """Everything around the drills."""

    clock: Clock
    watch: Watch
    connectors: Mapping[OriginId, Connector]
    store: DrillStore
    compute: Compute
    look: Callable[[], Look | None]
    """The loop as it stands; None before its first turn."""
    policy: Callable[[], DrillPolicy]
    caution: Callable[[Look, Rehearsal], str] = lambda _look, _plan: ""
    """What speaks against moving these requests now, beside what the loop sees: budgets and deployments."""
    tails_ms: Callable[[Look], Floats | None] = lambda _look: None
    """(B,) p95 of the backends now, NaN where it is not known; None where nobody measures it."""
    deadline_s: float = 1.0
    """How long one order waits for a mesh."""


async def made(name: str, level: Level, loss: str, who: str, look: Look, ports: DrillPorts, book: PathBook) -> Live:
    """A drill that may begin; raises NotNow with every pre-condition that does not hold."""
    state, policy = look.state, ports.policy()
    row = row_of(state.failover, loss, len(state.fleet.flows))
    if row is None or state.problem is None:
        known = [str(r.loss) for r in state.failover.rows] if state.failover else []
        raise NotNow(f"no failover for the loss of {loss!r} is ready; there are: {', '.join(known[:20])}")
    assert state.failover is not None
    work = partial(rehearsal, state.problem, state.routing, row, state.failover.standing, Rounding())
    whole: Rehearsal = await ports.compute(work)
    without = left_out(level, whole, ports.connectors)
    plan = whole.at(state.fleet, whole.tables.keys() - without.keys())
    steps = ladder(level, policy.step_s, policy.hold_s)
    drill = Drill(name, level, loss, steps, policy.lease_s, look.at_s, look.at_s)
    legs_s = book.probes.leg_at_s(book.legs_of(loss))
    found = barred(level, look, row, plan, without, legs_s, policy, drill.ratio_max)
    cautious = ports.caution(look, plan) if steps else ""
    found = (*(words for words in (precedence(look, state.fleet), cautious) if words), *found)
    if found:
        raise NotNow("; ".join(found))
    taking = receivers(state.problem, plan, drill.ratio_max if steps else 1.0)
    fence = (state.epoch, state.version)
    live = Live(drill, plan, without, state.problem, who, look.wall_s, fence, taking, state.readings.latency_ms)
    live.tail_before_ms = ports.tails_ms(look)
    return live


async def checked(level: Level, loss: str, who: str, look: Look, book: PathBook) -> Json:
    """The result of a check that moves nothing, a proof (L0) or probes (L1), made now. Raises NotNow."""
    row = row_of(look.state.failover, loss, len(look.state.fleet.flows))
    if row is None:
        raise NotNow(f"no failover for the loss of {loss!r} is ready")
    if level is Level.PROBE:
        legs = book.legs_of(loss)
        await book.probes.ask_legs(legs)
        dark = int((book.probes.leg_at_s(legs) < look.wall_s).sum())
        words = f"{dark} of {len(legs)} legs gave no good answer" if dark else ""
    else:
        words = f"{row.shed_rps:.1f} rps would be refused" if row.shed_rps > 0 else ""
    outcome = Phase.FAILED if words else Phase.SUCCEEDED
    return {"level": str(level), "loss": loss, "asked_by": who, "outcome": str(outcome), "reason": words}
