"""What a user installs on a proxy."""

import asyncio
import json
from pathlib import Path

import pytest

from connectors.xds.bootstrap import CONTROLLER, ProxyTlsFiles, envoy_bootstrap, grpc_bootstrap
from tests import real
from tests.scheduler.access.authority import Authority


@pytest.mark.parametrize("host", ["127.0.0.1", "controller.example"])
@pytest.mark.parametrize("tls", [False, True])
async def test_envoy_finds_nothing_wrong_with_its_bootstrap(tls: bool, host: str, tmp_path: Path) -> None:
    authority, bootstrap = Authority(tmp_path), tmp_path / "bootstrap.json"
    files = ProxyTlsFiles(authority.file, *authority.signed("home")) if tls else None
    bootstrap.write_text(json.dumps(envoy_bootstrap("home/1", "edge", host, 9601, 0, files)))

    command = [real.require("envoy"), "--mode", "validate", "-c", str(bootstrap), "-l", "off"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)

    assert await process.wait() == 0


def test_envoy_reports_its_load_to_the_controller_and_notices_when_it_is_dead() -> None:
    bootstrap = envoy_bootstrap("home/1", "edge", "controller.example", 9601, 9901)

    (controller,) = bootstrap["static_resources"]["clusters"]
    (loads,) = bootstrap["cluster_manager"]["load_stats_config"]["grpc_services"]
    assert loads["envoy_grpc"]["cluster_name"] == CONTROLLER
    assert loads["envoy_grpc"]["retry_policy"]["retry_back_off"]["max_interval"] == "2s"
    assert controller["name"] == CONTROLLER
    assert "connection_keepalive" in str(controller["typed_extension_protocol_options"])


def test_grpc_client_says_whose_it_is() -> None:
    bootstrap = grpc_bootstrap("home/2", "shop", "127.0.0.1", 9601)

    assert bootstrap["node"] == {"id": "home/2", "cluster": "shop"}
    assert bootstrap["xds_servers"][0]["server_uri"] == "127.0.0.1:9601"
