"""A Ray cluster of two real nodes on this machine, and how to kill one."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

RAY = Path(sys.executable).with_name("ray")


def free_port() -> int:
    """A port nobody has now."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_node(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A Ray node of its own process tree, in the foreground."""
    command = [str(RAY), "start", "--block", "--num-cpus=2", "--disable-usage-stats", *arguments]
    environment = dict(os.environ, RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0", OMP_NUM_THREADS="1")
    with (folder / f"node{len(list(folder.iterdir()))}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


@contextlib.contextmanager
def cluster_of_two(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Address of a cluster of two nodes on this machine, and their processes."""
    import ray

    os.environ["RAY_AUTH_MODE"] = "disabled"
    address = f"127.0.0.1:{free_port()}"
    port = address.split(":")[1]
    nodes = [start_node(folder, "--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false")]
    try:
        while not answers(address):
            assert nodes[0].poll() is None, "the head node ended"
        nodes.append(start_node(folder, f"--address={address}", "--node-ip-address=127.0.0.1"))
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        while sum(node["Alive"] for node in ray.nodes()) < 2:
            assert nodes[1].poll() is None, "the second node ended"
        yield address, nodes
    finally:
        ray.shutdown()
        for node in nodes:
            end(node)


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
