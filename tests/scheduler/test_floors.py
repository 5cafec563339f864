"""Replica floors of a controller on real documents, its own assignment, a real ledger and the API server's stand-in."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from config.load import load
from connectors.kubernetes.marks import FLOOR
from connectors.kubernetes.rbac import SERVICE_ACCOUNT, floor_rights
from connectors.kubernetes.resource import Manifest, mapping
from connectors.kubernetes.workload import AUTOSCALER, DEPLOYMENT
from placement.fleet import OriginId
from scheduler.api.floors import rows_of
from scheduler.audit import AuditLedger
from scheduler.board import Board
from scheduler.floor_reach import floor_reaches
from scheduler.floors import Floors
from scheduler.ledger import Ledger
from scheduler.loop import tick
from scheduler.placing_service import PlacingService
from scheduler.ports import Ports
from scheduler.state import Mode, initial_state
from scheduler.translate import loop_configuration
from scheduler.watch import ProbeWatch
from simulator.mesh import SimulatedMesh
from simulator.run import InlineSolver, in_place
from tests.contract.harness import eventually
from tests.kubernetes.clusters import Cluster, cluster
from tests.scheduler.ports import Counter, HandClock, Inbox, Notebook

BASE = Path(__file__).parents[1] / "config" / "base.yaml"
KUBECONFIG = """
current-context: test
contexts: [{{name: test, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{url}", certificate-authority-data: "{trusted}"}}}}]
users: [{{name: u, user: {{token: "{token}"}}}}]
"""
POLICY = """
apiVersion: equipoise.dev/v1alpha1
kind: Policy
metadata: {{name: test}}
spec:
  placement:
    floors: {{apply: {apply}, periodSeconds: 1, stepRatio: 0.5, lowerAfterSeconds: 10}}
"""
WEB_HOME, WEB_AWAY = "web-home", "web-away"
MOST = 40
NOBODY = "nobody"


@dataclass
class Bench:
    """A controller's slow cadence, and the API server that both clusters share."""

    cluster: Cluster
    floors: Floors
    board: Board
    ledger: Ledger
    at_s: float = 0.0

    async def round(self) -> None:
        """The next one, a second later."""
        self.at_s += 1.0
        await self.floors.round(self.at_s)

    async def scaler(self, name: str) -> Manifest:
        return await self.cluster.admin.get(AUTOSCALER, self.cluster.namespace, name)

    async def least(self, name: str) -> int:
        """minReplicas; 1 is Kubernetes' own default."""
        return int(mapping(await self.scaler(name), "spec").get("minReplicas", 1))

    async def noted(self) -> list[dict[str, Any]]:
        """What the ledger has of floors, oldest first."""
        audit = AuditLedger(self.ledger)
        assert await audit.verify() >= 0
        return [entry.body for entry in reversed(await audit.newest(100)) if entry.action == "replica floor"]


@contextlib.asynccontextmanager
async def bench(folder: Path, apply: str = "bounded") -> AsyncIterator[Bench]:
    """The smallest fleet, whose `web` asks for about 5 replicas together and has a floor of 1 in each cluster."""
    async with cluster() as given, contextlib.AsyncExitStack() as ended:
        spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": MOST}
        labels = {"app": "web"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
        body: dict[str, Any] = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        await given.admin.create(DEPLOYMENT.blank(given.namespace, "web", spec=body), DEPLOYMENT)
        for name in (WEB_HOME, WEB_AWAY):
            await given.admin.create(AUTOSCALER.blank(given.namespace, name, spec=spec), AUTOSCALER)
        documents = load(*await written(folder, given, apply))
        for owner, reach in floor_reaches(documents).items():
            name = f"equipoise-{owner}"
            account = (SERVICE_ACCOUNT, SERVICE_ACCOUNT.blank(given.namespace, name))
            rights = floor_rights(reach.spec, name, given.namespace)
            ended.push_async_callback(given.revoke, rights)
            await given.grant([account, *rights])
            access = await given.access_as(name)
            trusted = base64.b64encode(access.authority.encode()).decode()
            (folder / owner).write_text(KUBECONFIG.format(url=access.server, token=access.token, trusted=trusted))
        ledger = Ledger(f"sqlite:///{folder}/ledger.db")
        await ledger.open()
        board = Board()
        await turned(documents, board)
        placing = PlacingService(board)
        assert board.state is not None
        placing.apply(documents, board.state.fleet)
        looking = asyncio.create_task(placing.run())
        await eventually(lambda: sited(placing), "there is an assignment")
        looking.cancel()
        floors = Floors(board, placing, ledger)
        try:
            yield Bench(given, floors, board, ledger)
        finally:
            await floors.close()
            placing.close()
            ledger.close()


async def written(folder: Path, given: Cluster, apply: str) -> list[Path]:
    """The documents, with keepers in both clusters."""
    text = BASE.read_text(encoding="utf-8")
    for cluster_, name in (("home", WEB_HOME), ("away", WEB_AWAY)):
        keeper = f"{{kubeconfig: {folder}/{cluster_}, namespace: {given.namespace}, services: {{web: {{name: {name}, "
        head = f"metadata: {{name: {cluster_}}}\nspec:\n"
        text = text.replace(head, f"{head}  workloads: {keeper}deployment: web}}}}}}\n", 1)
    text = text.replace("expectedRps: {web: 40}", "expectedRps: {web: 400}")
    text = text.replace("  exposed: true\n", "  exposed: true\n  placing: {replicasMin: 2}\n", 1)
    (folder / "fleet.yaml").write_text(text, encoding="utf-8")
    (folder / "policy.yaml").write_text(POLICY.format(apply=apply), encoding="utf-8")
    return [folder / "fleet.yaml", folder / "policy.yaml"]


async def turned(documents: Any, board: Board) -> None:
    """A tick on declared demand, on the board."""
    configuration = loop_configuration(documents)
    fleet = configuration.fleet
    meshes = {origin: SimulatedMesh(origin) for origin in fleet.origins.ids}
    watch = ProbeWatch(len(fleet.backends), configuration.policy.rules)
    ports = Ports(
        HandClock(), watch, Inbox(), meshes, InlineSolver(), Notebook(), Counter(configuration), in_place
    )  # fmt: skip
    board.show(*await tick(initial_state(fleet, configuration.declared, {}, 1, 0.0), ports, configuration.policy))


async def sited(placing: PlacingService) -> bool:
    assert not placing.trouble, placing.trouble
    return placing.siting is not None


async def test_floors_rise_to_the_assignment_in_steps_that_are_written_down_first(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        rises = [await b.least(WEB_HOME)]
        for _ in range(8):
            await b.round()
            rises.append(await b.least(WEB_HOME))

        look = b.floors.look
        assert look.held == ""
        assert look.wanted is not None
        goal = int(max(look.wanted.assigned[0], look.wanted.serving[0], look.wanted.assigned[1]))
        assert rises[1] == 2
        assert all(0 <= after - before <= max(1, before // 2) for before, after in pairwise(rises))
        assert rises[-1] == rises[-2] > 3
        assert rises[-1] <= goal
        steps = [note for note in await b.noted() if WEB_HOME in note["object"]]
        assert [(note["before"]["home"], note["after"]["home"]) for note in steps] == [
            (before, after) for before, after in pairwise(rises) if after != before
        ]
        shown = [row for reach in b.floors.reaches.values() for row in rows_of(reach, look)]
        assert {(row["cluster"], row["now"]) for row in shown} >= {("home", rises[-1])}


async def test_floors_in_a_dry_run_are_tried_and_written_down_once_and_change_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, "dry-run") as b:
        before = await b.scaler(WEB_HOME)
        for _ in range(3):
            await b.round()

        assert await b.scaler(WEB_HOME) == before
        said = [note["words"] for note in await b.noted() if WEB_HOME in note["object"]]
        assert said == ["dry run: web at least: home: 1 to 2"]
        assert b.floors.look.words[OriginId("home"), "web"] == "1 objects would change"


@pytest.mark.parametrize("mode", [Mode.FROZEN, Mode.STOPPED, Mode.SAFE, Mode.DRILLING])
async def test_floors_stay_in_every_mode_but_auto(tmp_path: Path, mode: Mode) -> None:
    async with bench(tmp_path) as b:
        assert b.board.turn is not None
        b.board.turn = replace(b.board.turn, mode=mode)
        await b.round()

        assert b.floors.look.held == f"the mode is {mode}"
        assert await b.least(WEB_HOME) == 1
        assert await b.noted() == []


async def test_floors_on_stale_readings_stay(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        assert b.board.turn is not None
        old = replace(b.board.turn.snapshot, at_s=1_000.0)
        b.board.turn = replace(b.board.turn, snapshot=old)
        await b.round()

        assert b.floors.look.held == "readings are 1000 s old"
        assert await b.least(WEB_HOME) == 1


async def test_floors_that_are_given_back_are_as_before_and_stay_so_over_a_restart(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        before = await b.scaler(WEB_HOME)
        await b.round()
        assert json.loads(mapping(await b.scaler(WEB_HOME), "metadata", "annotations")[FLOOR]) == 1

        said = await b.floors.give_back("an autoscaler of our own")
        await b.round()

        after = await b.scaler(WEB_HOME)
        assert after["spec"] == before["spec"]
        assert not mapping(after, "metadata", "annotations")
        assert set(said.values()) == {"given back"}
        next_one = Floors(b.board, b.floors.placing, b.ledger)
        running = asyncio.create_task(next_one.run())
        await eventually(lambda: held_back(next_one), "it knows that they were given back")
        running.cancel()
        await b.floors.resume("looked at it")
        await b.round()
        assert await b.least(WEB_HOME) == 2


async def held_back(floors: Floors) -> bool:
    return "given back" in floors.look.held


async def test_floor_that_an_object_refuses_keeps_no_other_from_its_step(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        where = (AUTOSCALER, b.cluster.namespace, WEB_HOME)
        await b.cluster.admin.merge(*where, {"spec": {"maxReplicas": 1}})
        for _ in range(2):
            await b.round()

        words = b.floors.look.words[OriginId("home"), "web"]
        assert "takes 1 replicas at most, not 2" in words
        assert await b.least(WEB_HOME) == 1
        assert await b.least(WEB_AWAY) > 1
        refused = [note for note in await b.noted() if "at most" in note["words"]]
        assert len(refused) == 1


async def test_floors_of_an_api_server_that_is_away_are_named_and_wait(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        (tmp_path / "home").write_text(KUBECONFIG.format(url="http://127.0.0.1:1", token=NOBODY, trusted=""))
        await b.round()

        assert "ClientConnectorError" in b.floors.look.words[OriginId("home"), ""]
        assert [note["owner"] for note in await b.noted()] == ["away"]


async def test_floors_that_cannot_be_written_down_are_not_made(tmp_path: Path) -> None:
    async with bench(tmp_path) as b:
        await b.ledger.transact(lambda session: session.connection().exec_driver_sql("DROP TABLE audit") and None)
        await b.round()

        assert "cannot be written down" in b.floors.look.words[OriginId("home"), "web"]
        assert await b.least(WEB_HOME) == 1


async def test_floors_that_nobody_asked_for_are_never_read(tmp_path: Path) -> None:
    async with bench(tmp_path, "never") as b:
        assert b.cluster.stand_in is not None
        b.cluster.stand_in.requests.clear()
        await b.round()

        assert b.floors.look.held == "placement.floors.apply of the Policy is never"
        assert b.cluster.stand_in.requests == []
