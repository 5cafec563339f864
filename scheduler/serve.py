"""A controller as a service: documents, proxies, probers, sources, ledger and API put together around the loop."""

import asyncio
import ipaddress
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import structlog
from aiohttp import web

from config.configuration import Configuration as Documents
from config.load import load
from config.policy import Server
from connectors.connector import Connector, Refused
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.kubeconfig import from_pod
from connectors.xds.connector import XdsConnector
from connectors.xds.server import XdsServer
from health.prober import Prober
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.access.tls import server_context
from scheduler.api.gate import Gate
from scheduler.api.metrics import Metrics
from scheduler.api.signals import Signals
from scheduler.api.standby import Standby
from scheduler.api.vantages import listen_to_agents
from scheduler.audit import AuditLedger
from scheduler.background import Background
from scheduler.board import Board
from scheduler.clock import SystemClock
from scheduler.controller import Controller
from scheduler.costing import CostService
from scheduler.dashboard.site import pages_of
from scheduler.deeds import bound_by
from scheduler.desk import Desk
from scheduler.drill_service import DrillService
from scheduler.endpoints import Endpoints
from scheduler.front import Front, Parts
from scheduler.garbage import set_aside
from scheduler.intake import Collector
from scheduler.jobs import Jobs, Simulator
from scheduler.lease import Lease, lease_of, won
from scheduler.ledger import Ledger
from scheduler.logs import about_turn
from scheduler.loop import run
from scheduler.observed import Observed
from scheduler.observer import Observer
from scheduler.placing_service import PlacingService
from scheduler.pod import KubernetesLease, leader_label
from scheduler.ports import Configuration, Ports
from scheduler.price_feed import PriceFeed
from scheduler.push import first_of
from scheduler.solver import Arithmetic, ThreadSolver, warmed
from scheduler.state import Mode, State, initial_state
from scheduler.switches import MODE_SWITCH
from scheduler.tabulation import Tabulation
from scheduler.tracing import Trace, traced, tracer_of
from scheduler.translate import host_port, loop_configuration, pace_of, tls_files
from scheduler.turn import Turn
from scheduler.vantages import Roster
from scheduler.watch import ProbeWatch

SHUTDOWN_S = 2.0

log = structlog.get_logger()


async def serve(
    paths: tuple[Path, ...],
    simulator: Simulator | None = None,
    documents: Documents | None = None,
    edges: Callable[[Documents], Controller] | None = None,
) -> None:
    """Run a controller until SIGTERM or SIGINT: warm at once, and steering as soon as no other one leads.

    `simulator` plays what-if runs. `documents` and `edges` stand in for files and for the real world.
    Raises config.problem.Invalid for documents that cannot be used, Deposed when another controller took over.
    """
    documents = documents or load(*paths)
    server = documents.policy.server
    async with AsyncExitStack() as stack:
        ledger, metrics = Ledger(server.ledger), Metrics()
        stack.callback(ledger.close)
        await ledger.migrate()
        lease, label = _lease(server, ledger), leader_label()
        stack.push_async_callback(lease.release)
        if label:
            await label.set(False)
        background = await stack.enter_async_context(Background())
        controller = (edges or real_edges)(documents)
        stack.callback(controller.close)
        stack.push_async_callback(controller.hang_up)
        board = Board(source_failures=controller.collector.failures, leader=lease.name)
        placing = PlacingService(board, metrics.worker_lost)
        stack.callback(placing.close)
        drilling = DrillService(ledger, board, controller.path_probes())
        stack.callback(drilling.close)
        drilling.tails.probed_ms = controller.probed_p95_ms
        observed, newest = Observed(), [documents]
        controller.collector.listeners += [drilling.meter.hear, drilling.tails.hear, observed.hear]
        costs, prices = CostService(ledger, documents), PriceFeed(AuditLedger(ledger), controller.collector.failures)

        def apply(changed: Documents) -> Configuration:
            newest[:] = [changed]
            priced = prices.priced(changed)
            configuration = controller.apply(priced)
            drilling.apply(changed, configuration.fleet)
            costs.apply(changed)
            placing.apply(priced, configuration.fleet)
            return configuration

        desk = Desk(paths, documents, apply, board, Mode.AUTO)
        desk.drilling, prices.changed = drilling.moving, desk.renew
        _close_on_signals(desk, clock := SystemClock(controller.watch))
        for work in (desk.follow(clock.nudge), *controller.works(), metrics.measure_lag(), drilling.probes.run()):
            background.keep(work)
        set_aside()
        gate = Gate(lambda: newest[-1].policy.server.access, controller.roster)
        epoch = await _won(lease, server, Standby(metrics, gate), desk, background)
        if epoch is None:
            return
        await ledger.lead(epoch)
        background.keep(lease.keep())
        metrics.leader.set(1)
        if label:
            await label.set(True)
        solver = ThreadSolver(controller.watch, tabulation=Tabulation(metrics.worker_lost))
        stack.callback(solver.close)
        parts = Parts(
            board, metrics, ledger, desk, clock, drilling, controller, solver, observed, Jobs(simulator), gate, costs,
            placing, prices,
        )  # fmt: skip
        await _steer(stack, background, parts, server)


def _lease(server: Server, ledger: Ledger) -> Lease:
    """What decides who leads. ValueError where a Lease object is asked for outside of a pod."""
    name = f"{socket.gethostname()}:{os.getpid()} ({server.api})"
    if not server.kubernetes_lease:
        return lease_of(server.ledger, name, server.lease_seconds)
    namespace = os.environ.get("EQUIPOISE_NAMESPACE")
    if not namespace:
        raise ValueError("server.kubernetesLease needs EQUIPOISE_NAMESPACE, the namespace of the pod")
    api = KubernetesApi("lease", from_pod)
    return KubernetesLease(api, namespace, server.kubernetes_lease, name, server.lease_seconds, ledger)


async def _won(lease: Lease, server: Server, standby: Standby, desk: Desk, background: Background) -> int | None:
    """Stand by, answering who leads, until the term is ours; None where we are to close before that."""

    def waiting(leader: str) -> None:
        if leader and not standby.leader:
            background.keep(asyncio.to_thread(warmed, desk.current))
        if leader != standby.leader:
            log.info("standing by", leader=leader)
        standby.waiting(leader)

    async with AsyncExitStack() as meanwhile:
        await listen(meanwhile, standby.application(), server)
        term = asyncio.create_task(won(lease, server.lease_seconds, waiting))
        closed = asyncio.create_task(desk.closed())
        await first_of(term, closed)
        closed.cancel()
        if term.done():
            return term.result()
        term.cancel()
    return None


async def _steer(stack: AsyncExitStack, background: Background, parts: Parts, server: Server) -> None:
    """Take up what stands and run the loop, with the ledger in our term."""
    board, desk, ledger, controller, clock = parts.board, parts.desk, parts.ledger, parts.controller, parts.clock
    tables = await ledger.tables()
    desk.set_mode(Mode(await ledger.switch(MODE_SWITCH) or Mode.AUTO))
    await parts.drilling.open()
    standing = _prime(controller.connectors, tables)
    await controller.start(host_port(server.xds))
    stack.push_async_callback(controller.xds.stop)
    compute = Arithmetic()
    stack.callback(compute.close)
    drills = await parts.drilling.start(clock, controller.watch, controller.connectors)
    await _put_up(stack, server, parts)
    stack.push_async_callback(parts.costs.close)
    stack.push_async_callback(parts.floors.close)
    for work in (drills.run(), *parts.costs.works(), parts.placing.run(), parts.floors.run(), parts.prices.run()):
        background.keep(work)
    observer = Observer(ledger, board, parts.metrics, parts.costs.usage.hear)
    ports = Ports(
        clock, controller.watch, controller.collector, controller.connectors, parts.solver, observer, desk, compute
    )
    state = await _first_state(ledger, desk.configuration(), standing, clock)
    log.info("serving", api=server.api, xds=server.xds, epoch=ledger.epoch, ledger=server.ledger)
    Signals(board, clock.now_s, parts.metrics.registry)
    trace = Trace(tracer_of(), parts.metrics.step)

    def show(state: State, turn: Turn) -> None:
        if observer.board.turn is None:
            set_aside()
        observer.show(state, turn)
        parts.meshes.show(state, turn)
        desk.obeyed(turn)
        trace.finish(turn)
        about_turn(turn.number + 1)

    await run(state, traced(ports, trace), show)
    log.info("closed", turns=board.turn.number if board.turn else 0)
    await asyncio.gather(*controller.tasks)


async def _first_state(
    ledger: Ledger, current: Configuration, standing: Mapping[OriginId, WeightTable], clock: SystemClock
) -> State:
    """Where the loop starts: what stands, and bound by what an earlier controller did. Raises LedgerDown."""
    at_s, limits = clock.now_s(), current.policy.conduct
    good, deeds = await ledger.good(), await ledger.deeds()
    known = current.fleet, current.declared, standing, ledger.epoch, at_s, limits, good
    state = await asyncio.to_thread(initial_state, *known)
    return replace(state, conduct=bound_by(state.conduct, deeds, current.fleet, at_s, clock.wall_s(), limits))


async def _put_up(stack: AsyncExitStack, server: Server, parts: Parts) -> None:
    """Take up what people ordered of earlier controllers, and serve."""
    await parts.open()
    stack.push_async_callback(parts.jobs.close)
    front = Front(parts)
    await listen(stack, front.application(*pages_of(front)), server)
    if server.vantages:
        await listen_to_agents(stack, front.agents_application(), server.vantages)


def real_edges(documents: Documents) -> Controller:
    """Proxies, probers and sources as the documents name them."""
    configuration = loop_configuration(documents)
    watch = ProbeWatch(len(configuration.fleet.backends), configuration.policy.rules)
    endpoints = Endpoints(watch)
    jitter = random.Random(0)  # noqa: S311  jitter needs no secrecy
    prober = Prober((), endpoints.report, pace_of(documents.policy), time.monotonic, jitter)
    roster = Roster(endpoints.report, time.monotonic)
    return Controller(XdsServer(tls=tls_files(documents.policy.server)), watch, Collector(), prober, endpoints, roster)


def _prime(
    connectors: Mapping[OriginId, Connector], tables: Mapping[OriginId, WeightTable]
) -> dict[OriginId, WeightTable]:
    """Give every connector what its mesh was last given; returns what stands."""
    standing = {}
    for origin, connector in connectors.items():
        if origin not in tables or not isinstance(connector, XdsConnector):
            continue
        try:
            connector.prime(tables[origin])
        except Refused as refusal:
            log.warning("standing table no longer fits the documents", origin=origin, detail=str(refusal))
        else:
            standing[origin] = tables[origin]
    return standing


async def listen(stack: AsyncExitStack, application: web.Application, server: Server) -> None:
    """Serve the API. OSError for a taken address, ValueError for one beyond this machine without credentials or TLS."""
    host = host_port(server.api)[0]
    local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    if not local and server.access.open:
        raise ValueError(
            f"the API on {server.api} would be open to the network without credentials; use a loopback address, or "
            "give server.access tokens (`equipoise token create`), certificates or oidc"
        )
    if not local and server.tls is None and not server.behind_tls_proxy:
        raise ValueError(
            f"the API on {server.api} would show tokens to the network; use a loopback address, give server.tls, or "
            "say behindTlsProxy: true where something in front of it ends TLS"
        )
    if server.access.open:
        log.warning("no credentials are configured: the API serves this machine alone, and everybody on it is admin")
    tls = server.tls
    context = server_context(tls.certificate_file, tls.key_file, tls.client_ca_file, required=False) if tls else None
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    try:
        await web.TCPSite(runner, *host_port(server.api), ssl_context=context).start()
    except OSError as error:
        raise OSError(f"the API cannot listen on {server.api}: {error}; is another controller there?") from None


def _close_on_signals(desk: Desk, clock: SystemClock) -> None:
    def close() -> None:
        desk.close()
        clock.nudge()

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, close)
