"""Play a scenario under a policy: the production loop, or a rival, in the simulated world."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from connectors.connector import Unavailable
from placement.baseline import nearest
from placement.columns import Floats, bools, floats
from placement.demand import total_demand
from placement.fleet import Fleet, OriginId
from placement.problem import Problem, formulate
from placement.quantize import weight_tables
from placement.readings import Readings, Snapshot
from placement.solve.routing import solve_routing
from placement.weights import WeightTable
from scheduler.loop import run
from scheduler.ports import Configuration, Ports
from scheduler.state import State, initial_state
from scheduler.translate import loop_configuration
from scheduler.turn import Turn
from scheduler.watch import ProbeWatch
from simulator.diary import Diary
from simulator.physics.books import Books, Keeper
from simulator.physics.demand import curves
from simulator.physics.layout import Layout, layout_of
from simulator.physics.mesh import DelayedMesh
from simulator.physics.probing import Probing, watch_of
from simulator.physics.strikes import Scene
from simulator.physics.telemetry import Instruments
from simulator.physics.truth import undisturbed
from simulator.physics.world import World
from simulator.rivals import EQUIPOISE, RIVALS, follow
from simulator.scenario.load import Loaded
from simulator.scenario.model import Times
from simulator.solver import Solver
from simulator.stage import Stage, StageIntake, StageLedger, in_place

PRELUDE_PERIODS = 12
"""Ticks before the time of a scenario begins, so that it begins settled; nothing of them is counted."""
STREAMS = 3
"""Of random numbers: the world, the probes, the instruments."""


@dataclass(frozen=True, slots=True)
class Played:
    """One run."""

    loaded: Loaded
    fleet: Fleet
    policy: str
    seed: int
    books: Books
    diary: Diary
    pushes: int
    solved: int
    certified: int
    cpu_s: float

    def trace(self) -> str:
        """SHA-256 of everything that was decided and of everything that came of it."""
        digest = hashlib.sha256(self.diary.trace.encode())
        for name in Books.__slots__:
            digest.update(np.ascontiguousarray(getattr(self.books, name)).tobytes())
        return digest.hexdigest()


def play(
    loaded: Loaded,
    policy: str = EQUIPOISE,
    seed: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
    tables: Mapping[OriginId, WeightTable] | None = None,
    listen: Callable[[State, Turn], None] = lambda _, __: None,
) -> Played:
    """Play it once, from weights that fit it or from some `tables`; `listen` hears every turn of ours.

    Raises simulator.physics.demand.NoData for a trace that is not there.
    """
    seed = loaded.scenario.spec.seed if seed is None else seed
    began_s = time.process_time()
    configuration = _configured(loaded)
    stage = set_up(loaded, configuration, seed, progress, tables)
    diary = Diary(stage.scene.fleet)

    def show(state: State, turn: Turn) -> None:
        diary.write(turn)
        listen(state, turn)

    asyncio.run(steer(stage, show) if policy == EQUIPOISE else _rival(stage, policy))
    return Played(
        loaded,
        configuration.fleet,
        policy,
        seed,
        stage.keeper.books(),
        diary,
        sum(mesh.writes for mesh in stage.world.meshes.values()),
        stage.solver.solved,
        stage.solver.certified,
        time.process_time() - began_s,
    )


def set_up(
    loaded: Loaded,
    configuration: Configuration,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
    tables: Mapping[OriginId, WeightTable] | None = None,
) -> Stage:
    """Everything at its place, a while before the time of the scenario begins."""
    spec, fleet, policy = loaded.scenario.spec, configuration.fleet, configuration.policy
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(STREAMS)]
    longitude = {name: place[1] for name, place in loaded.built.places.items()}
    folder = loaded.file.parent
    demand = curves(spec.demand, fleet, loaded.configuration, loaded.built.drawn_rps, longitude, folder, spec.duration)
    slow = spec.world.meshes.slow
    meshes = {o: DelayedMesh(o, slow.get(o, spec.world.meshes.apply)) for o in fleet.origins.ids}
    layout = _layout(loaded, fleet)
    world = World(layout, configuration.declared, demand, meshes, spec.world, streams[0], undisturbed(fleet))
    world.now_s = -PRELUDE_PERIODS * policy.period_s
    configuration = replace(configuration, declared=_declared(configuration, demand.rps(world.now_s, world.drift)))
    world.begin(tables or _first_tables(configuration))
    probes = loaded.configuration.policy.probes
    watch = watch_of(fleet, policy.rules, len(spec.world.vantages))
    calm = max(probes.rise, probes.fall) + 2
    interval_s = probes.interval_ms / 1e3
    patience_s = spec.world.clients.timeout
    probing = Probing(fleet, watch, spec.world.vantages, interval_s, probes.timeout_ms, calm, streams[1], patience_s)
    return Stage(
        world=world,
        probing=probing,
        instruments=Instruments(fleet, spec.world.telemetry, streams[2]),
        keeper=Keeper(fleet, _shed_usd(configuration), spec.duration, spec.world.step),
        solver=Solver(spec.solver_gap if spec.solver == "certified" else None),
        events=tuple(spec.events),
        scene=Scene(fleet, loaded.built.zones, world.now_s),
        configured=configuration,
        until_s=spec.duration,
        step_s=spec.world.step,
        progress=progress,
    )


def ports_of(stage: Stage, watch: ProbeWatch) -> Ports:
    """What the loop is given."""
    return Ports(
        clock=stage,
        watch=watch,
        intake=StageIntake(stage.instruments),
        connectors=stage.world.meshes,
        solver=stage.solver,
        ledger=StageLedger(stage),
        desk=stage,
        compute=in_place,
    )


def unchanged(ports: Ports) -> Ports:
    """The ports as they are."""
    return ports


async def steer(stage: Stage, show: Callable[[State, Turn], None], refit: Callable[[Ports], Ports] = unchanged) -> None:
    """The controller, started again with the next epoch whenever it died. `refit` may wrap what it is given."""
    epoch, watch = 0, stage.probing.watch
    while not stage.over:
        epoch += 1
        configuration = stage.configuration()
        tables = await _standing(stage)
        limits = configuration.policy.conduct
        state = initial_state(configuration.fleet, configuration.declared, tables, epoch, stage.now_s(), limits)
        await run(state, refit(ports_of(stage, watch)), show)
        while not stage.over and not stage.truth.controls:
            stage.pass_time(stage.until_s)
        watch = stage.new_controller()


async def _rival(stage: Stage, policy: str) -> None:
    await follow(RIVALS[policy], stage.configured, ports_of(stage, stage.probing.watch))
    while not stage.over:  # a data plane goes on when its controller is gone
        stage.pass_time(stage.until_s)
        if stage.truth.controls:
            await follow(RIVALS[policy], stage.configured, ports_of(stage, stage.new_controller()))


async def _standing(stage: Stage) -> dict[OriginId, WeightTable]:
    found = {}
    for origin, mesh in stage.world.meshes.items():
        try:
            table = await mesh.read()
        except Unavailable:
            continue
        if table is not None:
            found[origin] = table
    return found


def _layout(loaded: Loaded, fleet: Fleet) -> Layout:
    times = [loaded.built.times.get(s, Times()) for s in fleet.services.ids]
    columns = np.array([(t.latency_ms, t.slots, t.variability) for t in times], dtype=np.float64).reshape(-1, 3)
    return layout_of(fleet, *columns.T)


def _configured(loaded: Loaded) -> Configuration:
    """What the loop is given by the documents; the quorum is that of the scenario's own vantages where it says one."""
    made, world = loop_configuration(loaded.configuration), loaded.scenario.spec.world
    quorum = made.policy.rules.quorum if world.quorum is None else world.quorum
    rules = replace(made.policy.rules, quorum=min(quorum, len(world.vantages)))
    return replace(made, policy=replace(made.policy, rules=rules))


def _declared(configuration: Configuration, external_rps: Floats) -> Readings:
    """What documents that fit the scenario would expect: the demand of its beginning, with calls made at home."""
    fleet = configuration.fleet
    demand = total_demand(fleet, external_rps, nearest(fleet))
    return replace(configuration.declared, demand_rps=floats(demand))


def _first_problem(configuration: Configuration) -> Problem:
    fleet = configuration.fleet
    whole = np.ones(len(fleet.backends))
    snapshot = Snapshot(0.0, configuration.declared, nearest(fleet), bools(whole), floats(whole))
    return formulate(fleet, snapshot, configuration.policy.prices)


def _first_tables(configuration: Configuration) -> dict[OriginId, WeightTable]:
    """What would stand in the meshes had the controller run before."""
    problem = _first_problem(configuration)
    return weight_tables(problem, solve_routing(problem).routing, configuration.policy.rounding, {})


def _shed_usd(configuration: Configuration) -> Floats:
    """(F,) $/h of refusing a request/s, as the optimizer prices it where users come in."""
    fleet = configuration.fleet
    asked = replace(configuration.declared, demand_rps=floats(np.ones(len(fleet.flows))))
    return _first_problem(replace(configuration, declared=asked)).shed_usd
