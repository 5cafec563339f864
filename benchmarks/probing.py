"""How punctually one core probes: so many real targets, so often, and what it costs.

The prober has a process and, where the machine has two, a core of its own; listeners answer from another one. Both
come first on their cores where they may (SCHED_RR), for one core is what is promised, and other work on the machine is
not the prober's. Every probe opens a connection, asks and reads the answer. Lag is from a probe's place in the schedule
to its start.

    python -m benchmarks.probing --targets 1000 --json
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from health.probe import ProbeTarget
from health.prober import Pace, Prober
from placement.columns import Bools, Ints

HOST = "127.0.0.1"
PORTS = 4
WARM_UP_S = 2.0
LISTENER = """
import asyncio
class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 3\\r\\n\\r\\nok\\n")
        self.transport.close()
async def main():
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Answer, "127.0.0.1", 0, backlog=4096) for _ in range(PORTS)]
    print(*[server.sockets[0].getsockname()[1] for server in servers], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


class Count:
    """What came in."""

    def __init__(self) -> None:
        self.answered = self.failed = 0

    def report(self, _: Ints, ok: Bools, __: float) -> None:
        """One round."""
        self.answered += int(ok.sum())
        self.failed += int((~ok).sum())


async def measure(
    targets: int, interval_ms: float, seconds: float, protocol: str, alone: bool = True
) -> dict[str, Any]:
    """Probe for some time and say how it went; `alone` on its core, as far as that may be."""
    program = LISTENER.replace("PORTS", str(PORTS))
    listener = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert listener.stdout is not None
    try:
        ports = [int(port) for port in (await listener.stdout.readline()).split()]
        cores = sorted(os.sched_getaffinity(0))
        for process, core in ((listener.pid, cores[-1]), (0, cores[0])) if alone else ():
            os.sched_setaffinity(process, {core})
            with suppress(PermissionError):
                os.sched_setscheduler(process, os.SCHED_RR, os.sched_param(1))
        asked = [ProbeTarget(protocol, HOST, ports[row % PORTS]) for row in range(targets)]
        return await probed(asked, Pace(interval_s=interval_ms / 1e3, timeout_s=interval_ms / 1e3), seconds)
    finally:
        listener.kill()
        await listener.wait()


async def probed(asked: list[ProbeTarget], pace: Pace, seconds: float) -> dict[str, Any]:
    """The figures of one run, without its first moments."""
    count = Count()
    prober = Prober(asked, count.report, pace, time.monotonic, random.Random(1))
    task = asyncio.create_task(prober.run())
    await asyncio.sleep(WARM_UP_S)
    count.answered = count.failed = prober.skipped = 0
    prober.lags_s.clear()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    task.cancel()
    await asyncio.wait({task})
    lags_ms = 1e3 * np.array(prober.lags_s)
    wanted = len(asked) / pace.interval_s * took_s
    return {
        "targets": len(asked),
        "probes_per_s": round((count.answered + count.failed) / took_s, 1),
        "wanted_per_s": round(wanted / took_s, 1),
        "cpu_cores": round(cpu_s / took_s, 3),
        "lag_p50_ms": round(float(np.percentile(lags_ms, 50)), 2),
        "lag_p99_ms": round(float(np.percentile(lags_ms, 99)), 2),
        "lag_max_ms": round(float(lags_ms.max()), 2),
        "failed": count.failed,
        "places_skipped": prober.skipped,
        "discarded": prober.discarded,
        "first_on_its_core": os.sched_getscheduler(0) == os.SCHED_RR,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probing", description=__doc__)
    parser.add_argument("--targets", type=int, default=1_000)
    parser.add_argument("--interval-ms", type=float, default=250.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--protocol", choices=["http", "tcp"], default="http")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    values = asyncio.run(measure(arguments.targets, arguments.interval_ms, arguments.seconds, arguments.protocol))
    print(json.dumps(values) if arguments.json else "\n".join(f"{name:16} {value}" for name, value in values.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
