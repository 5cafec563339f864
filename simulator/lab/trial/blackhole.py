"""Packets to some ports of the loopback vanish, and those from them: nothing is refused, nothing arrives.

The rules are in a chain of their own, which goes when this process ends. Should it be killed, they lapse by themselves
after two minutes, and the next such process sweeps the chain away. Needs root and iptables.

    python -m simulator.lab.trial.blackhole      a list of ports as JSON on stdin, one a line; an empty one heals
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Container, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

PREFIX = "EQUIPOISE-"
CHAIN = f"{PREFIX}{os.getpid()}"
LEASE = timedelta(minutes=2)
PORTS_PER_RULE = 15
"""As many as the multiport match takes."""


def available() -> bool:
    """Whether this machine lets us drop packets."""
    if os.geteuid() != 0 or not shutil.which("iptables"):
        return False
    return _run(["-L", "INPUT", "-n"], check=False) == 0


def _run(arguments: list[str], check: bool = True) -> int:
    done = subprocess.run(["iptables", "-w", *arguments], check=check, capture_output=True)
    return done.returncode


def rules(ports: list[int], until: datetime) -> Iterable[list[str]]:
    """Drop what goes to a port and what comes from it, until a moment in UTC."""
    lease = ["-m", "time", "--datestop", until.strftime("%Y-%m-%dT%H:%M:%S")]
    for first in range(0, len(ports), PORTS_PER_RULE):
        listed = ",".join(str(port) for port in ports[first : first + PORTS_PER_RULE])
        for side in ("--dports", "--sports"):
            yield ["-A", CHAIN, "-p", "tcp", "-m", "multiport", side, listed, *lease, "-j", "DROP"]


def orphans(listing: str, alive: Container[str]) -> list[str]:
    """Chains in the output of `iptables -S` whose process is not among those alive."""
    chains = [line.removeprefix("-N ") for line in listing.splitlines() if line.startswith(f"-N {PREFIX}")]
    return [chain for chain in chains if chain.removeprefix(PREFIX) not in alive]


def open_chain() -> None:
    """An empty chain in front of all else that comes in over the loopback."""
    listing = subprocess.run(["iptables", "-w", "-S"], check=True, capture_output=True, text=True).stdout
    for orphan in orphans(listing, {entry.name for entry in Path("/proc").iterdir()}):
        close_chain(orphan)
    _run(["-N", CHAIN])
    _run(["-I", "INPUT", "-i", "lo", "-j", CHAIN])


def close_chain(chain: str) -> None:
    """No trace of it."""
    _run(["-D", "INPUT", "-i", "lo", "-j", chain], check=False)
    _run(["-F", chain], check=False)
    _run(["-X", chain], check=False)


def main() -> None:
    """Obey until standard input ends; each order is answered with a line once it holds."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    open_chain()
    try:
        for line in sys.stdin:
            _run(["-F", CHAIN])
            for rule in rules(json.loads(line), datetime.now(UTC) + LEASE):
                _run(rule)
            sys.stdout.write("done\n")
            sys.stdout.flush()
    finally:
        close_chain(CHAIN)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
