"""The whole lab on real gateways, with the real controller: what users, gateways and the machine see of it."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from simulator.lab import effects, gateways
from simulator.lab.fleet import Lab, Options, running, until
from simulator.lab.gateways import DataPlane

needs_envoy = pytest.mark.skipif(gateways.installed() is None, reason="no Envoy wheel for this platform")
STILL_S = 1e9
SHIFT_MAX_S = 3.0
"""Far above what is measured, because the machine that tests may be busy."""


def share(lab: Lab, cluster: str) -> float:
    return lab.watch.latest.share("frontend", "eu-west", cluster) if lab.watch.latest else 0.0


@needs_envoy
async def test_lab_when_a_cluster_dies_moves_everybody_and_fails_nobody() -> None:
    async with running(Options(day_s=STILL_S, step_max=1.0)) as lab:
        await until(lambda: share(lab, "eu-west") > 0.95, "everybody is served at home")
        await until(lambda: len(lab.served) > 1000, "the controller has seen how many they are")
        lab.set_price("eu-west", 2.0)
        await until(lambda: share(lab, "us-east") > 0.9, "the price moves eu-west to us-east")

        killed_s = await lab.kill("us-east")
        await until(lambda: effects.detect_s(lab.watch.changes, "us-east", killed_s) is not None, "it is found dead")
        await until(lambda: share(lab, "us-east") == 0, "it has no weight")
        served = len(lab.served)
        await until(lambda: len(lab.served) > served + 200, "users are served")
        shift_s = effects.shift_s(lab.attempts, "us-east", (killed_s, killed_s + 60))

        await lab.kill_controller()
        served = len(lab.served)
        await until(lambda: len(lab.served) > served + 200, "users are served without a controller")

        assert 0 < shift_s < SHIFT_MAX_S
        assert sum(s.rerouted for s in lab.served) > 0, "users of the dead gateway came out at another"
        assert [s for s in lab.served if s.failed] == []


async def test_lab_with_grpc_gateways_serves_its_users() -> None:
    async with running(Options(day_s=STILL_S, data_plane=DataPlane.GRPC)) as lab:
        await until(lambda: len(lab.served) > 200, "users are served")
        await until(lambda: len(lab.attempts) > 200, "the gateways log what they do")

        assert [s for s in lab.served if s.failed] == []
        assert all(s.cluster and s.inner for s in lab.served)


def left_behind(mark: str) -> list[int]:
    """Processes with a text in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


@needs_envoy
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
async def test_demo_when_it_is_ended_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    mark = f"LAB_TEST_MARK={tmp_path}"
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulator.lab", "--no-tty", "--duration", "45", stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "LAB_TEST_MARK": str(tmp_path), "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert demo.stdout is not None
    said = b""
    while b"users come in" not in said:
        line = await demo.stdout.readline()
        assert line, f"the demo ended early: {said.decode()}"
        said += line
    assert len(left_behind(mark)) > 8

    demo.send_signal(number)

    assert await demo.wait() == code
    async with asyncio.timeout(10):
        while left_behind(mark):  # noqa: ASYNC110  orphans tell nobody of their end
            await asyncio.sleep(0.05)
