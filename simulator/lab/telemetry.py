"""A Prometheus beside the lab, where Debian's is installed: it scrapes the services every second."""

import json
import shutil
from pathlib import Path
from typing import Any

from simulator.lab.addresses import LOOPBACK, Addresses
from simulator.lab.places import PLACES
from simulator.lab.processes import Child, Children

ADVICE = {
    True: "A Prometheus scrapes the services; the controller asks it for capacity and latency.",
    False: "No Prometheus (sudo apt-get install prometheus): the controller goes by load reports alone.",
}
"""By whether there is one."""


def installed() -> str | None:
    """The path of the binary, None where there is none."""
    return shutil.which("prometheus")


def scrape(addresses: Addresses) -> dict[str, Any]:
    """Its configuration. One target per cluster: both services of a cluster share a process and a registry."""
    targets = [
        {"targets": [f"{LOOPBACK}:{addresses.service[cluster, 'frontend']}"], "labels": {"cluster": cluster}}
        for cluster in PLACES
    ]
    intervals = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    return {"global": intervals, "scrape_configs": [{"job_name": "lab", "static_configs": targets}]}


async def start(binary: str, family: Children, folder: Path, addresses: Addresses) -> Child:
    """Start it; its first sample takes about six seconds, which nobody waits for."""
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(scrape(addresses)))
    listen = f"--web.listen-address={LOOPBACK}:{addresses.prometheus}"
    storage = f"--storage.tsdb.path={folder / 'prometheus'}"
    return await family.start("prometheus", [binary, f"--config.file={config}", storage, listen, "--log.level=warn"])
