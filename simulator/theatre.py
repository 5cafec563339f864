"""The whole service in front of a simulated fleet, in real time: loop, ledger, drills, API, dashboard are production.

Only the edges are not: meshes, clients and probes are those of the simulated world, and pass as fast as the clock does.
A drill moves its part of the simulated requests, as a mesh that rehearses would.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from config.configuration import Configuration as Documents
from connectors.rehearsal import Tally
from connectors.telemetry import Batch, Signal
from placement.columns import Floats, Ints, floats
from placement.fleet import OriginId
from scheduler.controller import Controller
from scheduler.drill_probes import PathProbes
from scheduler.ports import Configuration
from scheduler.serve import real_edges, serve
from scheduler.translate import loop_configuration
from simulator.apart import simulator
from simulator.physics.world import Happening
from simulator.play import set_up
from simulator.scenario.load import Loaded, load_scenario
from simulator.stage import Stage

STEP_S = 0.1
SENT_EVERY_S = 1.0


@dataclass(slots=True)
class Theatre(Controller):
    """The edges of a controller whose world is a stage."""

    stage: Stage | None = None
    sent_due_s: float = 0.0
    probed_s: float = 0.0
    ratios: dict[OriginId, float] = field(default_factory=dict)
    """What part of the requests of each mesh goes by a rehearsed failover now."""

    def apply(self, documents: Documents) -> Configuration:
        """The fleet is what the scenario says; nothing of it changes but prices."""
        del documents
        assert self.stage is not None
        self.connectors = dict(self.stage.world.meshes)
        self.current = self.stage.configured
        return self.current

    def path_probes(self) -> PathProbes:
        """Every leg to a cluster that is up gives a good answer."""
        assert self.stage is not None
        return StagePaths(self.stage)

    async def start(self, xds: tuple[str, int]) -> None:
        """Proxies are simulated too: nobody needs to connect."""
        del xds

    def works(self) -> Iterable[Coroutine[Any, Any, None]]:
        """The world goes on."""
        return (self.go_on(),)

    async def go_on(self) -> None:
        """Until the controller ends."""
        stage = self.stage
        assert stage is not None
        stage.ahead_s = time.monotonic() - stage.now_s()
        while True:
            await asyncio.sleep(STEP_S)
            self.pass_to(stage, time.monotonic())

    def pass_to(self, stage: Stage, at_s: float) -> None:
        """Let the world catch up with the clock, no farther than the next event at once."""
        while at_s - stage.ahead_s > stage.now_s() + STEP_S / 2:
            ends = [at_s - stage.ahead_s, stage.now_s() + stage.step_s, *stage.boundaries_s[:1]]
            self._rehearse(stage)
            happening = stage.advance(max(min(ends), stage.now_s() + 1e-3))
            self._count(stage, happening)
            batches = [replace(b, at_s=b.at_s + stage.ahead_s) for b in stage.instruments.drain()]
            if at_s >= self.sent_due_s:
                self.sent_due_s = at_s + SENT_EVERY_S
                batches.append(sent(stage, happening))
            self.collector.post(batches)
        if at_s - self.probed_s >= stage.probing.interval_s:
            self.probed_s = at_s
            stage.probing.round(at_s)

    def _rehearse(self, stage: Stage) -> None:
        """Let the drilled part of the requests go its way, and come back."""
        for origin, mesh in stage.world.meshes.items():
            mesh.now_s = stage.now_s()
            ratio = mesh.ratio if mesh.armed is not None else 0.0
            if mesh.table is not None and ratio != self.ratios.get(origin, 0.0):
                self.ratios[origin] = ratio
                stage.world.retarget(origin, mesh.table, 1.0)
                if mesh.armed is not None and ratio > 0:
                    stage.world.retarget(origin, mesh.armed, ratio)

    def _count(self, stage: Stage, happening: Happening) -> None:
        """Requests of every mesh, as its data plane would count them."""
        fleet = stage.world.fleet
        rps = np.bincount(
            fleet.flows.origin, weights=happening.passage.arrived_rps, minlength=len(fleet.origins)
        )  # fmt: skip
        for row, origin in enumerate(fleet.origins.ids):
            mesh, count = stage.world.meshes[origin], round(float(rps[row]) * happening.step_s)
            drilled = round(count * self.ratios.get(origin, 0.0))
            mesh.counts += Tally(rehearsed=drilled, regular=count - drilled)


class StagePaths(PathProbes):
    """The legs of failover paths in the simulated world: good while their back end answers."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(time.time)
        self.stage = stage

    def leg_at_s(self, keys: Ints) -> Floats:
        """(n,) now, or -inf; a key is flow x clusters + cluster."""
        fleet = self.stage.world.fleet
        flow, cluster = np.divmod(keys, len(fleet.clusters))
        backend = fleet.backend_of(flow, cluster)
        answers = np.append(self.stage.truth.answers(fleet), False)
        return floats(np.where(answers[backend], self.clock(), -np.inf))


def sent(stage: Stage, happening: Happening) -> Batch:
    """What each mesh sent to each cluster."""
    fleet, entries = stage.world.fleet, happening.entries
    keys = tuple(
        (str(fleet.services.ids[fleet.flows.service[f]]), str(fleet.origins.ids[o]), str(fleet.clusters.ids[c]))
        for f, o, c in zip(entries.row.tolist(), entries.origin.tolist(), entries.cluster.tolist(), strict=True)
    )
    return Batch(Signal.SENT_RPS, "world", happening.at_s + stage.ahead_s, keys, floats(happening.passage.sent_rps))


def edges_of(loaded: Loaded, seed: int) -> Theatre:
    """The edges for a scenario."""
    configuration = loop_configuration(loaded.configuration)
    stage = set_up(loaded, configuration, seed)
    real = real_edges(loaded.configuration)
    return Theatre(
        real.xds, stage.probing.watch, real.collector, real.prober, real.endpoints, real.roster, stage=stage,
        places=dict(loaded.built.places),
    )  # fmt: skip


async def perform(file: Path, api: str, ledger: str, seed: int | None = None) -> None:
    """Serve a controller of a scenario's fleet at `api` until SIGTERM or SIGINT. Raises Invalid for a bad scenario."""
    loaded = load_scenario(file)
    policy = loaded.configuration.policy
    server = policy.server.model_copy(update={"api": api, "ledger": ledger})
    documents = replace(loaded.configuration, policy=policy.model_copy(update={"server": server}))
    seed = loaded.scenario.spec.seed if seed is None else seed
    whatif = simulator((), file, ledger)
    await serve((), whatif, documents, lambda _: edges_of(loaded, seed))
