"""Every mesh of the documents becomes the connector that the contract suite knows, and stays while nothing changes."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from config.configuration import Configuration
from config.load import load
from connectors.connector import Unavailable
from health.prober import Prober
from scheduler.bootstraps import text_of
from scheduler.controller import Controller
from scheduler.endpoints import Endpoints
from scheduler.intake import Collector
from scheduler.meshes import MAKERS, connector_of, scenes
from scheduler.secrets import basic, header
from scheduler.translate import loop_configuration, pace_of
from scheduler.vantages import Roster
from scheduler.watch import ProbeWatch

CONFIG = Path(__file__).parents[2] / "config"
PARTS = [CONFIG / "example" / f"{name}.yaml" for name in ("clusters", "services", "prices", "latency", "policy")]


@pytest.fixture
def documents() -> Configuration:
    return load(*PARTS, CONFIG / "meshes" / "others.yaml")


def controller_of(documents: Configuration) -> Controller:
    from connectors.xds.server import XdsServer

    configuration = loop_configuration(documents)
    watch = ProbeWatch(len(configuration.fleet.backends), configuration.policy.rules)
    endpoints = Endpoints(watch)
    prober = Prober((), endpoints.report, pace_of(documents.policy), time.monotonic, random.Random(0))
    return Controller(XdsServer(), watch, Collector(), prober, endpoints, Roster(endpoints.report, time.monotonic))


async def test_scenes_of_the_documents_have_every_kind_and_each_becomes_a_connector(documents: Configuration) -> None:
    found = scenes(documents)

    assert {scene.mesh.kind for scene in found.values()} == MAKERS.keys()
    for origin, scene in found.items():
        connector = connector_of(scene)
        assert connector.origin == origin
        assert connector.limits.targets_max > 0
        await connector.close()  # type: ignore[attr-defined]


async def test_controller_keeps_a_connector_while_its_documents_stay_and_makes_another_when_they_change(
    documents: Configuration,
) -> None:
    controller = controller_of(documents)
    controller.apply(documents)
    before = dict(controller.connectors)

    controller.apply(load(*PARTS, CONFIG / "meshes" / "others.yaml"))
    assert all(controller.connectors[origin] is connector for origin, connector in before.items())

    controller.apply(load(*PARTS, CONFIG / "example" / "origins.yaml"))
    assert controller.connectors.keys().isdisjoint({"edge-consul", "edge-kuma"})
    assert not controller.scenes
    await asyncio.gather(*controller.tasks)
    controller.close()
    await controller.hang_up()


async def test_secret_that_is_not_there_makes_a_mesh_unavailable_and_is_named(documents: Configuration) -> None:
    connector = connector_of(scenes(documents)["edge-kuma"])

    with pytest.raises(Unavailable, match=r"edge-kuma: Kuma at https://kuma.example:5682.*KUMA_TOKEN is not set"):
        await connector.read()


def test_header_of_a_secret_file_follows_the_file(documents: Configuration, tmp_path: Path) -> None:
    from config.apis import Secret

    path = tmp_path / "token"
    path.write_text("first\n")
    found = header("Authorization", Secret(file=str(path)), "Bearer ")
    assert found() == {"Authorization": "Bearer first"}

    path.write_text("second")

    assert found() == {"Authorization": "Bearer second"}
    assert basic("user", Secret(file=str(path)))() == {"authorization": "Basic dXNlcjpzZWNvbmQ="}
    assert basic(None, None)() == {}


def test_bootstrap_of_proxies_by_files_is_what_they_start_with(documents: Configuration) -> None:
    assert "upstream storefront {" in text_of(documents, "eu-central")
    assert "/etc/haproxy/maps/equipoise.map" in text_of(documents, "eu-west")
    assert '"path": "/var/lib/equipoise/envoy/cds.json"' in text_of(documents, "edge-files")
    assert text_of(documents, "edge-consul") == ""
