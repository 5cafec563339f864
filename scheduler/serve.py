"""A controller as a service: documents, proxies, probers, sources, ledger and API put together around the loop."""

import asyncio
import ipaddress
import os
import random
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import structlog
from aiohttp import web

from config.configuration import Configuration as Documents
from config.load import load
from config.policy import Server
from connectors.connector import Connector, Refused
from connectors.xds.connector import XdsConnector
from connectors.xds.server import XdsServer
from health.prober import Prober
from placement.fleet import OriginId
from placement.weights import WeightTable
from scheduler.api.app import Api
from scheduler.api.guards import GuardsApi
from scheduler.api.metrics import Metrics
from scheduler.api.outlook import Outlook
from scheduler.api.readiness import ReadinessApi
from scheduler.api.signals import Signals
from scheduler.api.standby import Standby
from scheduler.api.vantages import VantageApi, listen_to_vantages
from scheduler.background import Background
from scheduler.board import Board
from scheduler.clock import SystemClock
from scheduler.controller import Controller
from scheduler.deeds import bound_by
from scheduler.desk import Desk
from scheduler.drill_service import DrillService
from scheduler.endpoints import Endpoints
from scheduler.intake import Collector
from scheduler.lease import Lease, lease_of, won
from scheduler.ledger import Ledger
from scheduler.logs import about_turn
from scheduler.loop import run
from scheduler.observer import Observer
from scheduler.ports import Configuration, Ports
from scheduler.push import first_of
from scheduler.solver import Arithmetic, ThreadSolver
from scheduler.state import Mode, State, initial_state
from scheduler.switches import MODE_SWITCH, Switches
from scheduler.tracing import Trace, traced, tracer_of
from scheduler.translate import host_port, loop_configuration, pace_of
from scheduler.turn import Turn
from scheduler.vantages import Roster
from scheduler.watch import ProbeWatch

log = structlog.get_logger()


async def serve(paths: tuple[Path, ...]) -> None:
    """Run a controller until SIGTERM or SIGINT: warm at once, and steering as soon as no other one leads.

    Raises config.problem.Invalid for documents that cannot be used, Deposed when another controller took over.
    """
    documents = load(*paths)
    server = documents.policy.server
    async with AsyncExitStack() as stack:
        ledger, metrics = Ledger(server.ledger), Metrics()
        stack.callback(ledger.close)
        await ledger.migrate()
        lease = lease_of(server.ledger, f"{socket.gethostname()}:{os.getpid()} ({server.api})", server.lease_seconds)
        stack.push_async_callback(lease.release)
        background = await stack.enter_async_context(Background())
        controller = _controller(documents)
        stack.callback(controller.close)
        stack.push_async_callback(controller.hang_up)
        board = Board(source_failures=controller.collector.failures)
        drilling = DrillService(ledger, board)
        stack.callback(drilling.close)
        drilling.tails.probed_ms = controller.probed_p95_ms
        controller.collector.listeners += [drilling.meter.hear, drilling.tails.hear]

        def apply(changed: Documents) -> Configuration:
            configuration = controller.apply(changed)
            drilling.apply(changed, configuration.fleet)
            return configuration

        desk = Desk(paths, documents, apply, board, Mode.AUTO)
        desk.drilling = drilling.moving
        clock = SystemClock(controller.watch)
        _close_on_signals(desk, clock)
        for work in (desk.follow(clock.nudge), controller.prober.run(), _measure_lag(metrics), drilling.probes.run()):
            background.keep(work)
        epoch = await _won(lease, server, metrics, desk)
        if epoch is None:
            return
        await ledger.lead(epoch)
        background.keep(lease.keep())
        metrics.leader.set(1)
        await _steer(stack, background, ledger, controller, desk, clock, drilling, metrics, server)


async def _won(lease: Lease, server: Server, metrics: Metrics, desk: Desk) -> int | None:
    """Stand by, answering who leads, until the term is ours; None where we are to close before that."""
    standby = Standby(metrics)

    def waiting(leader: str) -> None:
        if leader != standby.leader:
            log.info("standing by", leader=leader)
        standby.waiting(leader)

    async with AsyncExitStack() as meanwhile:
        await _listen(meanwhile, standby.application(), server.api)
        term = asyncio.create_task(won(lease, server.lease_seconds, waiting))
        closed = asyncio.create_task(desk.closed())
        await first_of(term, closed)
        closed.cancel()
        if term.done():
            return term.result()
        term.cancel()
    return None


async def _steer(
    stack: AsyncExitStack,
    background: Background,
    ledger: Ledger,
    controller: Controller,
    desk: Desk,
    clock: SystemClock,
    drilling: DrillService,
    metrics: Metrics,
    server: Server,
) -> None:
    """Take up what stands and run the loop, with the ledger in our term."""
    board = desk.board
    tables = await ledger.tables()
    desk.set_mode(Mode(await ledger.switch(MODE_SWITCH) or Mode.AUTO))
    await drilling.open()
    standing = _prime(controller.connectors, tables)
    await controller.xds.start(*host_port(server.xds))
    stack.push_async_callback(controller.xds.stop)
    solver, compute = ThreadSolver(controller.watch), Arithmetic()
    stack.callback(solver.close)
    stack.callback(compute.close)

    switches = Switches(desk, clock, ledger)
    drills = await drilling.start(clock, controller.watch, controller.connectors)
    application = Api(board, metrics, solver, switches.set_mode).application()
    drilling.show(application, metrics.registry)
    GuardsApi(board, switches.resume).add_to(application)
    ReadinessApi(board, drilling.book, metrics.registry).add_to(application)
    Outlook(controller, board).add_to(application, metrics.registry)
    VantageApi(controller.roster).add_to(application)
    Signals(board, clock.now_s, metrics.registry)
    await _listen(stack, application, server.api)
    if server.vantages:
        await listen_to_vantages(stack, controller.roster, server.vantages)
    background.keep(drills.run())
    observer = Observer(ledger, board, metrics)
    ports = Ports(clock, controller.watch, controller.collector, controller.connectors, solver, observer, desk, compute)
    state = await _first_state(ledger, desk.configuration(), standing, clock)
    log.info("serving", api=server.api, xds=server.xds, epoch=ledger.epoch, ledger=server.ledger)
    trace = Trace(tracer_of(), metrics.step)

    def show(state: State, turn: Turn) -> None:
        observer.show(state, turn)
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
    state = initial_state(current.fleet, current.declared, standing, ledger.epoch, at_s, limits, good)
    return replace(state, conduct=bound_by(state.conduct, deeds, current.fleet, at_s, clock.wall_s(), limits))


def _controller(documents: Documents) -> Controller:
    configuration = loop_configuration(documents)
    watch = ProbeWatch(len(configuration.fleet.backends), configuration.policy.rules)
    endpoints = Endpoints(watch)
    jitter = random.Random(0)  # noqa: S311  jitter needs no secrecy
    prober = Prober((), endpoints.report, pace_of(documents.policy), time.monotonic, jitter)
    roster = Roster(endpoints.report, time.monotonic)
    return Controller(XdsServer(), watch, Collector(), prober, endpoints, roster)


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


async def _listen(stack: AsyncExitStack, application: web.Application, address: str) -> None:
    """Serve the API. ValueError for an address beyond this machine: it has no access control yet."""
    host = host_port(address)[0]
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ValueError(
            f"the API on {address} would be open to the network without access control; use a loopback address"
        )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, *host_port(address)).start()


def _close_on_signals(desk: Desk, clock: SystemClock) -> None:
    def close() -> None:
        desk.close()
        clock.nudge()

    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, close)


async def _measure_lag(metrics: Metrics, every_s: float = 0.1) -> None:
    """How late the event loop is: the proof that nothing blocks it."""
    while True:
        expected_s = time.monotonic() + every_s
        await asyncio.sleep(every_s)
        metrics.lag.observe(max(0.0, time.monotonic() - expected_s))
