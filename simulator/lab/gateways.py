"""The gateway of a cluster: a real Envoy where its wheel exists, else a gRPC proxyless client behind a small server."""

import json
import os
from pathlib import Path

from connectors.xds.bootstrap import envoy_bootstrap
from simulator.lab.addresses import LOOPBACK, Addresses
from simulator.lab.processes import Child, Children

ENVOY = Path(".envoy", "envoy", "_bin", "envoy")
"""Where `make install` puts it, from the root of the repository."""


def installed() -> Path | None:
    """The Envoy binary, None where this platform has no wheel."""
    found = Path(__file__).resolve().parents[2] / ENVOY
    return found if os.access(found, os.X_OK) else None


def data_plane() -> str:
    """`envoy` or `grpc`."""
    return "envoy" if installed() else "grpc"


async def start(family: Children, folder: Path, addresses: Addresses, cluster: str) -> Child:
    """Start the gateway of a cluster; it asks the controller for everything."""
    binary = installed()
    assert binary
    return await start_envoy(binary, family, folder, addresses, cluster)


async def start_envoy(binary: Path, family: Children, folder: Path, addresses: Addresses, cluster: str) -> Child:
    """Start the gateway of a cluster; it asks the controller for everything."""
    bootstrap = envoy_bootstrap(cluster, cluster, LOOPBACK, addresses.control(cluster), addresses.admin[cluster])
    config = folder / f"{cluster}.envoy.json"
    config.write_text(json.dumps(bootstrap))
    command = [str(binary), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
    # Attempts are measured to the millisecond and read four times a second.
    return await family.start(f"{cluster}.gateway", [*command, "--file-flush-interval-msec", "100"])
