"""A Ray cluster of two real nodes on this machine, and how to kill one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RAY = Path(sys.executable).with_name("ray")


def free_port() -> int:
    """A port nobody has now."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_node(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A Ray node of its own process tree, in the foreground."""
    command = [str(RAY), "start", "--block", "--disable-usage-stats", *arguments]
    environment = dict(os.environ, RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0", OMP_NUM_THREADS="1")
    with (folder / f"node{len(list(folder.iterdir()))}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


@dataclass
class Cluster:
    """A head that stays, and a second node that tests may kill: the next one that asks gets another."""

    address: str
    folder: Path
    head: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes] | None = None

    def second(self) -> subprocess.Popen[bytes]:
        """The second node, alive and known to the first."""
        import ray

        if self.worker is None or self.worker.poll() is not None:
            self.worker = start_node(
                self.folder, f"--address={self.address}", "--node-ip-address=127.0.0.1", "--num-cpus=1"
            )
        while sum(node["Alive"] for node in ray.nodes()) != 2:
            lives_on(self.worker)
        return self.worker


@contextlib.contextmanager
def cluster_of_two(folder: Path) -> Iterator[Cluster]:
    """A cluster of two nodes on this machine."""
    import ray

    os.environ["RAY_AUTH_MODE"] = "disabled"
    address = f"127.0.0.1:{free_port()}"
    port = address.split(":")[1]
    alone = ("--head", f"--port={port}", "--include-dashboard=false", "--num-cpus=2")
    head = start_node(folder, *alone, "--node-ip-address=127.0.0.1")
    cluster = Cluster(address, folder, head)
    try:
        while not answers(address):
            lives_on(head)
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        cluster.second()
        yield cluster
    finally:
        ray.shutdown()
        for node in (head, cluster.worker):
            if node is not None:
                end(node)


def lives_on(node: subprocess.Popen[bytes]) -> None:
    """A moment in which the node has the processor to itself; it must not end meanwhile."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        node.wait(0.1)
        raise AssertionError(f"the node ended: {node.args!r}")


def answers(address: str) -> bool:
    """Whether somebody listens there."""
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def end(node: subprocess.Popen[bytes]) -> None:
    """Kill a node with everything it started, wherever that has moved its session to."""
    family = [node.pid]
    for pid in family:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            family += [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    node.wait()
