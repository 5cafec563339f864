"""How long a push takes to reach requests, and how near the split comes to the weights, on real data planes.

    python -m benchmarks.push [--json] [--flips 20] [--requests 3000]
    python -m benchmarks.push --flips 0 --connector all [--origins 1000] [--budget 20] [--log FILE]

A flip moves all traffic of one service to another cluster while requests follow one another without a pause. Times are
from the call of `write`: to the first request that the new cluster answers, and to the last proxy's acknowledgement.
Everything runs on this machine, over loopback; the controller, the backends and the HTTP client share one process.
"""

import argparse
import asyncio
import contextlib
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from benchmarks.push_origins import KINDS, push_all
from benchmarks.push_origins import line as origins_line
from tests.contract.harness import SERVICE, UNIT, eventually, table
from tests.contract.harness_dns import PowerDnsHarness, powerdns
from tests.contract.harness_haproxy import HaproxyHarness, haproxy
from tests.contract.harness_nginx import NginxHarness, nginx
from tests.contract.harness_xds import EnvoyHarness, GrpcHarness, xds_envoy, xds_grpc
from tests.real import envoy_path, haproxy_path, nginx_path, powerdns_path

TARGET_MS = 20.0
"""The median of push to first request is to stay at or below this; that of PowerDNS without the TTL of its answers."""
TARGETS_MS = {"nginx": 200.0}
"""Where it is another: a reload starts new workers."""
SPLIT = {"east": 6_000, "north": 3_000, "west": 1_000}

SERVICES = 50
Plane = EnvoyHarness | GrpcHarness | HaproxyHarness | NginxHarness | PowerDnsHarness
Open = Callable[[Path], AbstractAsyncContextManager[Plane]]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and say by the exit code whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines for people")
    parser.add_argument("--flips", type=int, default=20, help="0 leaves the real data planes out")
    parser.add_argument("--requests", type=int, default=3_000, help="to measure the split")
    what = "push whole tables of 50 services to these as well: all, or names with commas between"
    parser.add_argument("--connector", type=_kinds, default=[], help=f"{what} ({', '.join(KINDS)})")
    parser.add_argument("--origins", type=int, default=1_000, help="tables to push to each connector")
    parser.add_argument(
        "--log", type=Path, help="where to keep what each connector came to; what is there is not rerun"
    )
    parser.add_argument("--budget", type=float, default=20.0, help="s for each connector until its last push")
    asked = parser.parse_args(argv)
    planes: dict[str, Open] = {"envoy": xds_envoy} if envoy_path() else {}
    planes["grpc"] = xds_grpc
    planes |= {"haproxy": haproxy} if haproxy_path() else {}
    planes |= {"nginx": nginx} if nginx_path() else {}
    planes |= {"powerdns": powerdns} if powerdns_path() else {}
    planes = planes if asked.flips else {}
    found = {name: asyncio.run(measure(start, asked.flips, asked.requests)) for name, start in planes.items()}
    medians = {f"{name}_p50_ms": each["first_request_ms"]["median"] for name, each in found.items()}
    pushed = push_all(asked.connector, asked.origins, SERVICES, asked.budget, asked.log)
    lines = [
        *(line(name, each) for name, each in found.items()),
        *(origins_line(n, each) for n, each in pushed.items()),
    ]
    print(json.dumps({**found, **medians, "origins": pushed}) if asked.json else "\n".join(lines))
    late = (each["first_request_ms"]["median"] > TARGETS_MS.get(name, TARGET_MS) for name, each in found.items())
    return int(any(late))


def _kinds(said: str) -> list[str]:
    names = list(KINDS) if said == "all" else said.split(",")
    strange = [name for name in names if name not in KINDS]
    if strange:
        raise argparse.ArgumentTypeError(f"no connector is called {strange[0]}; these are: {', '.join(KINDS)}")
    return names


async def measure(start: Open, flips: int, requests: int) -> dict[str, Any]:
    """Flips and a split on one data plane."""
    with tempfile.TemporaryDirectory() as folder:
        async with start(Path(folder)) as plane:
            await plane.connector.write(table({"east": UNIT}, ["north"]))
            await plane.until(SERVICE, "east")
            times = [await flip(plane, number) for number in range(1, flips + 1)]
            await plane.connector.write(table(SPLIT, fence=(2, 1)))
            await plane.until(SERVICE, "west")
            counts = await plane.send(SERVICE, requests)
    first, acknowledged = zip(*times, strict=True)
    shares = {cluster: counts[cluster] / requests for cluster in SPLIT}
    return {
        "flips": flips,
        "first_request_ms": summary(first),
        "acknowledged_ms": summary(acknowledged),
        "split_requests": requests,
        "split_error_max": max(abs(shares[cluster] - weight / UNIT) for cluster, weight in SPLIT.items()),
        "lost_requests": requests - sum(counts[cluster] for cluster in SPLIT),
    }


async def flip(plane: Plane, number: int) -> tuple[float, float]:
    """(ms to the first request on the new cluster, ms to the acknowledgement)."""
    new, old = ("north", "east") if number % 2 else ("east", "north")
    watching = asyncio.create_task(plane.until(SERVICE, new))
    if isinstance(plane, PowerDnsHarness):
        await plane.until(SERVICE, old)  # its requests are queries: no backend counts them
    else:
        backend = plane.backends[old]
        served = backend.served

        async def flowing() -> bool:
            return backend.served > served + 20

        await eventually(flowing, f"requests flow to {old}")
    begun_s = time.monotonic()
    await plane.connector.write(table({new: UNIT}, [old], fence=(1, number + 1)))
    acknowledged_s = time.monotonic()
    return 1e3 * (await watching - begun_s), 1e3 * (acknowledged_s - begun_s)


def summary(values_ms: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and worst."""
    ordered = sorted(values_ms)
    return {
        "median": statistics.median(ordered),
        "p95": ordered[math.ceil(0.95 * len(ordered)) - 1],
        "max": ordered[-1],
    }


def line(name: str, found: dict[str, Any]) -> str:
    """One data plane for people."""
    first, acknowledged = found["first_request_ms"], found["acknowledged_ms"]
    return (
        f"{name:7} first request {first['median']:5.1f} ms median, {first['p95']:5.1f} p95 of {found['flips']} flips; "
        f"acknowledged {acknowledged['median']:5.1f} ms; split within {100 * found['split_error_max']:.1f} points "
        f"of {found['split_requests']} requests, {found['lost_requests']} lost"
    )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
