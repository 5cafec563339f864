"""The gateway of a cluster: a real Envoy where its wheel exists, else gRPC's own xDS client behind a small server."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path

from connectors.xds.bootstrap import envoy_bootstrap, grpc_bootstrap
from simulator.lab.addresses import LOOPBACK, Addresses
from simulator.lab.processes import Child, Children, LabError

ENVOY = Path(".envoy", "envoy", "_bin", "envoy")
"""Where `make install` puts it, from the root of the repository."""


class DataPlane(StrEnum):
    """What applies the weights."""

    ENVOY = "envoy"
    GRPC = "grpc"


ADVICE = {
    DataPlane.ENVOY: "The gateways are Envoys.",
    DataPlane.GRPC: "No Envoy wheel for this platform: gRPC proxyless clients take the place of the gateways.",
}


def installed() -> Path | None:
    """The Envoy binary, None where this platform has no wheel."""
    found = Path(__file__).resolve().parents[2] / ENVOY
    return found if os.access(found, os.X_OK) else None


def available() -> DataPlane:
    """The best data plane of this platform."""
    return DataPlane.ENVOY if installed() else DataPlane.GRPC


async def start(plane: DataPlane, family: Children, addresses: Addresses, cluster: str, log: Path) -> Child:
    """Start the gateway of a cluster; it asks the controller for everything, and logs its attempts."""
    if plane is DataPlane.ENVOY:
        return await _envoy(family, addresses, cluster, log.with_suffix(".json"))
    return await _proxyless(family, addresses, cluster, log)


async def _envoy(family: Children, addresses: Addresses, cluster: str, config: Path) -> Child:
    """The path of its log comes from the controller, with its listener."""
    binary = installed()
    if binary is None:
        raise LabError(f"no Envoy at {ENVOY}: make install, or take the gRPC data plane")
    _write_bootstrap(config, addresses, cluster)
    command = [str(binary), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
    # Attempts are measured to the millisecond and read four times a second.
    return await family.start(f"{cluster}.gateway", [*command, "--file-flush-interval-msec", "100"])


def _write_bootstrap(config: Path, addresses: Addresses, cluster: str) -> None:
    bootstrap = envoy_bootstrap(cluster, cluster, LOOPBACK, addresses.control(cluster), addresses.admin[cluster])
    config.write_text(json.dumps(bootstrap))


async def _proxyless(family: Children, addresses: Addresses, cluster: str, log: Path) -> Child:
    bootstrap = grpc_bootstrap(cluster, cluster, LOOPBACK, addresses.control(cluster))
    reached = {f"{there}/{service}": port for port, (there, service) in addresses.destinations(cluster).items()}
    listen = ["--listen", str(addresses.gateway[cluster]), "--log", str(log), "--destinations", json.dumps(reached)]
    environment = {"GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps(bootstrap)}
    command = [sys.executable, "-m", "simulator.lab.proxyless", *listen]
    return await family.start(f"{cluster}.gateway", command, environment)
