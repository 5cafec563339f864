"""A trace of each tick, written down by its ports: the loop knows nothing of it, and a simulated one has none.

Every step is timed for the metrics, and exported as a span where that is wanted. One trace per turn: `tick`, and what
it asked of its ports in the order of the loop (collect, observe, solve, guard, intend, push, verify, record, tabulate).
A push ends with the answer of its mesh; to xDS proxies it holds an `ack` for each, from what it was sent to its ACK. An
ACK that comes when nobody waits any more is put under its push, in the trace of that push, when the mesh is read next.
Spans are made when a turn is over, with the times at which things happened, so that nothing hangs on the context of a
task.

The exporter is OpenTelemetry's own and is told what to do by its standard variables: OTEL_EXPORTER_OTLP_ENDPOINT
(without it nothing is exported), OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_SDK_DISABLED.
"""

# ruff: noqa: PLC0415  the SDK takes a fifth of a second to import, and most controllers export nothing

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from connectors.connector import Belated, Connector, Consent, MeshLimits, Receipt
from placement.failover import FailoverTable
from placement.fleet import OriginId
from placement.plan import Plan
from placement.problem import Problem
from placement.solve.failover import TableOrder
from placement.weights import WeightTable
from scheduler.ports import Compute, Ledger, Ports, Solver
from scheduler.turn import Turn

T = TypeVar("T")
Attributes = dict[str, str | int | float | bool]
NOTHING: Mapping[str, str | int] = {}
STEPS = {"look": "observe", "guarded": "guard", "followed": "verify"}
"""What the arithmetic of a tick is called in a trace."""


@dataclass(slots=True)
class Mark:
    """Something that a tick did."""

    name: str
    start_ns: int
    end_ns: int = 0
    attributes: Attributes = field(default_factory=dict)
    error: str = ""
    within: "Mark | None" = None
    """What it was part of; None: the tick itself."""
    late: bool = False
    """Whether that was in an earlier tick."""


@dataclass(slots=True)
class Trace:
    """The marks of the turn that is under way."""

    tracer: Tracer | None
    measured: Callable[[str, float, bool], None] = lambda *_: None
    """Told of every mark: its name, how long it took in seconds, and whether it raised."""
    marks: list[Mark] = field(default_factory=list)
    given_up: dict[OriginId, tuple[Mark, Context]] = field(default_factory=dict)
    """The last push to each mesh that did not answer in time, with the trace it is in."""

    @contextmanager
    def mark(self, name: str, attributes: Mapping[str, str | int] = NOTHING) -> Iterator[Mark]:
        """Time what happens inside, and keep what it raised."""
        made = Mark(name, time.time_ns(), attributes=dict(attributes))
        try:
            yield made
        except BaseException as error:
            made.error = f"{type(error).__name__}: {error}"
            raise
        finally:
            made.end_ns = time.time_ns()
            self.marks.append(made)

    def acknowledged(self, push: Mark, consents: Iterable[Consent]) -> None:
        """Keep what each proxy answered to a push."""
        for each in consents:
            known: Attributes = {**push.attributes, "equipoise.node": each.node}
            self.marks.append(Mark("ack", int(each.sent_s * 1e9), int(each.answered_s * 1e9), known, within=push))

    def belated(self, origin: OriginId, version: int, consents: Iterable[Consent]) -> None:
        """Keep what each proxy answered to a push that had ended without it."""
        known = self.given_up.get(origin)
        if known is None or known[0].attributes["equipoise.version"] != version:
            return
        for each in consents:
            self.acknowledged(known[0], (each,))
            self.marks[-1].late = True

    def finish(self, turn: Turn) -> None:
        """Turn the marks into spans of one trace, and begin anew."""
        made, self.marks = sorted(self.marks, key=lambda mark: mark.start_ns), []
        for mark in made:
            self.measured(mark.name, (mark.end_ns - mark.start_ns) * 1e-9, bool(mark.error))
        marks = [mark for mark in made if not mark.late]
        if not marks or self.tracer is None:
            return
        self._answered_late(mark for mark in made if mark.late)
        end_ns = max(mark.end_ns for mark in marks)
        tick = self.tracer.start_span("tick", start_time=marks[0].start_ns, attributes=described(turn))
        for change in turn.changes:
            words = {"backend": change.backend, "before": change.before, "after": change.after}
            tick.add_event("verdict", words, timestamp=end_ns)
        parents: dict[int | None, Context] = {None: set_span_in_context(tick)}
        for mark in sorted(marks, key=lambda mark: mark.within is not None):  # what holds others comes before them
            parent = parents[id(mark.within) if mark.within else None]
            span = self.tracer.start_span(mark.name, parent, start_time=mark.start_ns, attributes=mark.attributes)
            parents[id(mark)] = set_span_in_context(span)
            if mark.name == "push" and mark.error:
                self.given_up[OriginId(str(mark.attributes["equipoise.origin"]))] = mark, parents[id(mark)]
            _end(span, mark)
        tick.end(end_ns)

    def _answered_late(self, marks: Iterable[Mark]) -> None:
        """Spans under the pushes of earlier turns."""
        for mark in marks:
            _, push = self.given_up[OriginId(str(mark.attributes["equipoise.origin"]))]
            assert self.tracer is not None, "somebody exported the push"
            _end(self.tracer.start_span(mark.name, push, start_time=mark.start_ns, attributes=mark.attributes), mark)


def described(turn: Turn) -> Attributes:
    """A turn as attributes of its span."""
    return {
        "equipoise.turn": turn.number,
        "equipoise.epoch": turn.epoch,
        "equipoise.mode": str(turn.mode),
        "equipoise.reason": str(turn.plan.reason),
        "equipoise.detail": turn.plan.detail,
        "equipoise.fraction": turn.fraction,
        "equipoise.guards": "; ".join(turn.guards),
        "equipoise.cost_usd_per_hour": turn.pushed_cost.objective_usd_per_hour,
    }


def traced(ports: Ports, trace: Trace) -> Ports:
    """The same ports, with a mark for everything that a tick asks of them."""
    return replace(
        ports,
        connectors=TracedConnectors(ports.connectors, trace),
        solver=TracedSolver(ports.solver, trace),
        ledger=TracedLedger(ports.ledger, trace),
        compute=TracedCompute(ports.compute, trace),
    )


def tracer_of(environment: Mapping[str, str] = os.environ) -> Tracer | None:
    """A tracer that exports over OTLP/HTTP where the environment says where to; None where it does not."""
    wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} & environment.keys()
    if not wanted or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": environment.get("OTEL_SERVICE_NAME", "equipoise")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("equipoise")


@dataclass(frozen=True, slots=True)
class TracedConnectors(Mapping[OriginId, Connector]):
    """Connectors as they are by now, each with its marks."""

    within: Mapping[OriginId, Connector]
    trace: Trace

    def __getitem__(self, origin: OriginId) -> Connector:
        return TracedConnector(self.within[origin], self.trace)

    def __iter__(self) -> Iterator[OriginId]:
        return iter(self.within)

    def __len__(self) -> int:
        return len(self.within)


@dataclass(frozen=True, slots=True)
class TracedConnector:
    """A mesh that is read (`collect`) and written (`push`)."""

    within: Connector
    trace: Trace

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self.within.origin

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return self.within.limits

    async def read(self) -> WeightTable | None:
        """The table it has from us."""
        with self.trace.mark("collect", {"equipoise.origin": self.origin}):
            table = await self.within.read()
        if self.origin in self.trace.given_up and isinstance(self.within, Belated):
            self.trace.belated(self.origin, *self.within.belated())
        return table

    async def write(self, table: WeightTable) -> Receipt:
        """Make it so."""
        with self.trace.mark("push", {"equipoise.origin": self.origin, "equipoise.version": table.version}) as mark:
            receipt = await self.within.write(table)
            mark.attributes |= {"equipoise.stored": receipt.stored, "equipoise.detail": receipt.detail}
            for verdict in ("accepted", "programmed", "achieved"):
                known = getattr(receipt, verdict)
                if known is not None:
                    mark.attributes[f"equipoise.{verdict}"] = known
        self.trace.acknowledged(mark, receipt.consents)
        return receipt


@dataclass(frozen=True, slots=True)
class TracedSolver:
    """The optimizer."""

    within: Solver
    trace: Trace

    async def solve(self, problem: Problem) -> Plan | None:
        """The best routing."""
        with self.trace.mark("solve", {"equipoise.flows": len(problem.demand_rps)}) as mark:
            plan = await self.within.solve(problem)
            mark.attributes["equipoise.solved"] = plan is not None
            if plan is not None and plan.gap == plan.gap:  # NaN where nothing certifies it
                mark.attributes["equipoise.gap"] = plan.gap
            return plan

    async def tabulate(self, order: TableOrder) -> FailoverTable | None:
        """The failover tables of a plan."""
        with self.trace.mark("tabulate"):
            return await self.within.tabulate(order)


@dataclass(frozen=True, slots=True)
class TracedLedger:
    """The write-ahead record."""

    within: Ledger
    trace: Trace

    async def intend(self, turn: int, tables: Mapping[OriginId, WeightTable]) -> None:
        """Durable before any of them is written to a mesh."""
        with self.trace.mark("intend", {"equipoise.turn": turn}):
            await self.within.intend(turn, tables)

    async def record(self, turn: Turn) -> None:
        """The finished turn."""
        with self.trace.mark("record", {"equipoise.turn": turn.number}):
            await self.within.record(turn)


@dataclass(frozen=True, slots=True)
class TracedCompute:
    """Arithmetic, by what it works out."""

    within: Compute
    trace: Trace

    async def __call__(self, work: Callable[[], T], /) -> T:
        """The result of `work`."""
        called = work.func if isinstance(work, partial) else work
        name = getattr(called, "__name__", "compute")
        with self.trace.mark(STEPS.get(name, name)):
            return await self.within(work)


def _end(span: Span, mark: Mark) -> None:
    if mark.error:
        span.set_status(Status(StatusCode.ERROR, mark.error))
    span.end(mark.end_ns)
