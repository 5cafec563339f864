"""Shards on Ray decide what shards in process decide, and a node that dies in mid-solve costs no answer."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.instances import synthetic
from placement.solve.ascent import Pace
from placement.solve.sharded import InProcess, partition, solve_sharded
from scheduler.fanout import RayShards, fan_out

PACE = Pace(20)
RAY = Path(sys.executable).with_name("ray")


def test_fan_out_of_a_small_problem_stays_in_process() -> None:
    fanout, layout = fan_out(synthetic(30, 8), 2)

    assert isinstance(fanout, InProcess)
    assert layout.shards == 2


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


@pytest.fixture
def two_nodes(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Address of a cluster of two nodes on this machine, and their processes."""
    import ray

    os.environ["RAY_AUTH_MODE"] = "disabled"
    address = f"127.0.0.1:{free_port()}"
    port = address.split(":")[1]
    nodes = [
        start_node(tmp_path, "--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false")
    ]
    try:
        while not answers(address):
            assert nodes[0].poll() is None, "the head node ended"
        nodes.append(start_node(tmp_path, f"--address={address}", "--node-ip-address=127.0.0.1"))
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


class KillsInMidSolve:
    """Shards whose second node dies in the middle of the climb: the wrapped fan-out is the real one."""

    def __init__(self, inner: RayShards, node: subprocess.Popen[bytes]) -> None:
        self.inner, self.node, self.calls = inner, node, 0

    def call(self, method: str, arguments: Any) -> list[Any]:
        """As the real one, but the tenth call finds a node gone."""
        self.calls += 1
        if self.calls == 10:
            end(self.node)
        return self.inner.call(method, arguments)


def test_solve_on_two_nodes_when_one_dies_is_finished_on_the_other(
    two_nodes: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    _, nodes = two_nodes
    problem = synthetic(60, 10)
    layout = partition(problem, 2)
    expected = solve_sharded(problem, layout, InProcess(layout.parts(problem)), PACE)

    with RayShards(layout.parts(problem)) as shards:
        together = solve_sharded(problem, layout, shards, PACE)
        homes = shards.nodes()
        alone = solve_sharded(problem, layout, KillsInMidSolve(shards, nodes[1]), PACE)
        restarts = shards.restarts

    assert len(set(homes)) == 2
    assert together.objective_usd_per_hour == pytest.approx(expected.objective_usd_per_hour, rel=1e-9)
    np.testing.assert_allclose(together.replicas, expected.replicas, rtol=1e-9)
    assert restarts >= 1
    assert alone.lower_bound_usd_per_hour <= expected.objective_usd_per_hour
    assert (problem.pool_use(alone.replicas) <= problem.capacity * (1 + 1e-6)).all()
