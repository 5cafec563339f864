import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import numpy as np
import pytest

from health.evidence import no_evidence, record
from health.patience import QUICK_MIN, START_S
from health.probe import ProbeTarget
from health.prober import Pace, Prober
from placement.columns import Bools, Ints
from tests.health.test_probe import HOST, closed_port, listening, silent

USUAL_S = 0.01
LISTENER = """
import asyncio
class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
        self.transport.close()
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


class Diary:
    """Everything a prober reported: (row, ok, at_s)."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, bool, float]] = []

    def report(self, rows: Ints, ok: Bools, at_s: float) -> None:
        assert len(set(rows.tolist())) == len(rows)
        self.lines += zip(rows.tolist(), ok.tolist(), [at_s] * len(rows), strict=True)

    def misses(self, row: int) -> list[float]:
        return [at_s for which, ok, at_s in self.lines if which == row and not ok]


async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    await asyncio.sleep(0.2)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await writer.drain()
    writer.close()


async def until(holds: Callable[[], bool], patience_s: float = 60.0) -> None:
    async with asyncio.timeout(patience_s):
        while not holds():  # noqa: ASYNC110  the effect is a value that nobody announces
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(prober: Prober) -> AsyncIterator[None]:
    task = asyncio.create_task(prober.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def prober_of(
    targets: list[ProbeTarget], diary: Diary, pace: Pace, clock: Callable[[], float] = time.monotonic
) -> Prober:
    return Prober(targets, diary.report, pace, clock, random.Random(7))


def acquainted(prober: Prober) -> Prober:
    """A prober that has run for a while, and has had an answer of everybody."""
    prober.patience.began_s = -START_S
    for row in range(len(prober.targets)):
        for _ in range(QUICK_MIN):
            prober.patience.heard(row, USUAL_S, USUAL_S)
    return prober


def http(port: int) -> ProbeTarget:
    return ProbeTarget("http", HOST, port)


def tcp(port: int) -> ProbeTarget:
    return ProbeTarget("tcp", HOST, port)


async def test_prober_confirms_a_closed_port_long_before_its_next_regular_probes() -> None:
    diary, pace = Diary(), Pace(interval_s=2.0, fast_follow_s=0.02, fall=3)

    async with running(acquainted(prober_of([tcp(closed_port())], diary, pace))):
        await until(lambda: len(diary.misses(0)) >= pace.fall)

    first, *_, last = diary.misses(0)[: pace.fall]
    assert last - first < pace.interval_s


async def test_prober_of_a_target_that_swallows_everything_confirms_in_parallel() -> None:
    diary, pace = Diary(), Pace(interval_s=2.0, timeout_s=0.6, fast_follow_s=0.02, fall=3)

    async with listening(silent) as port, running(acquainted(prober_of([http(port)], diary, pace))):
        await until(lambda: len(diary.misses(0)) >= pace.fall)

    first, *_, last = diary.misses(0)[: pace.fall]
    assert last - first < pace.timeout_s / 2, "it was asked again when its answer was later than usual"


async def test_prober_of_a_target_whose_answer_is_late_and_comes_asks_again_and_misses_nothing() -> None:
    diary, pace = Diary(), Pace(interval_s=1.0, timeout_s=2.0, fast_follow_s=0.02, fall=3)

    async with listening(late) as port, running(acquainted(prober_of([http(port)], diary, pace))):
        await until(lambda: len(diary.lines) >= pace.fall)

    assert [ok for _, ok, _ in diary.lines] == [True] * pace.fall
    assert diary.lines[-1][2] - diary.lines[0][2] < 1.0


async def test_prober_that_has_just_begun_does_not_hurry_to_condemn_who_never_answered() -> None:
    diary, pace = Diary(), Pace(interval_s=0.3, timeout_s=0.1, fast_follow_s=0.01, fall=3)
    prober = prober_of([tcp(closed_port())], diary, pace)

    async with running(prober):
        await until(lambda: len(diary.misses(0)) >= 3)

    first, *_, last = diary.misses(0)[:3]
    assert last - first > 1.5 * pace.interval_s, "three places of its own, and none between them"


async def test_prober_that_begins_and_is_late_a_little_all_the_time_discards_what_it_missed() -> None:
    pace = Pace(interval_s=5.0, timeout_s=0.1)
    async with listening(silent) as port:
        prober = prober_of([http(port)], Diary(), pace)
        prober.asked = [replace(http(port), address=HOST)]
        asked = asyncio.create_task(prober.probe(0, prober.targets))
        await asyncio.sleep(0)  # it has begun
        for _ in range(8):
            prober.patience.mind_lateness(0.03, 0.0, 1.0)
        await asked

    answer = prober.answers.pop()
    assert (answer.ok, answer.distracted) == (False, True)
    assert not prober.credible(answer)
    assert prober.credible(answer._replace(ok=True))
    assert prober.credible(answer._replace(distracted=False))


async def test_prober_results_count_as_evidence() -> None:
    evidence = no_evidence(targets=2)

    def report(rows: Ints, ok: Bools, at_s: float) -> None:
        nonlocal evidence
        evidence = record(evidence, rows, 0, ok, at_s)

    async with listening(silent) as port:
        pace = Pace(interval_s=0.05, fast_follow_s=0.02)
        prober = Prober([tcp(port), tcp(closed_port())], report, pace, time.monotonic, random.Random(7))
        async with running(prober):
            await until(lambda: evidence.passes[0, 0] >= 3 and evidence.fails[1, 0] >= 3)

    assert evidence.fails[0, 0] == 0
    assert evidence.passes[1, 0] == 0


async def test_prober_that_stood_still_discards_the_failures_of_that_time() -> None:
    diary, pace, skipped_s = Diary(), Pace(interval_s=0.5, timeout_s=0.3), 0.0
    async with listening(silent) as port:
        prober = prober_of([ProbeTarget("http", HOST, port)], diary, pace, lambda: time.monotonic() + skipped_s)
        async with running(prober):
            await until(lambda: prober.under_way == 1)
            skipped_s = pace.interval_s
            await until(lambda: prober.discarded == 1)

            assert diary.lines == []
            await until(lambda: len(diary.misses(0)) >= pace.fall)


async def test_prober_with_new_targets_forgets_the_old_ones() -> None:
    diary = Diary()
    async with listening(silent) as port:
        prober = prober_of([tcp(port), ProbeTarget("http", HOST, port)], diary, Pace(interval_s=0.05, timeout_s=0.2))
        async with running(prober):
            await until(lambda: prober.under_way > 0 and bool(diary.lines))
            prober.replace([tcp(closed_port())])
            diary.lines.clear()
            await until(lambda: len(diary.misses(0)) >= 5 and prober.under_way <= 1)

    assert {row for row, _, _ in diary.lines} == {0}
    assert not any(ok for _, ok, _ in diary.lines)


async def test_prober_when_cancelled_leaves_nothing_running() -> None:
    async with listening(silent) as port:
        prober = prober_of(
            [ProbeTarget("http", HOST, port)] * 20, Diary(), Pace(interval_s=0.1, timeout_s=5.0, concurrency=20)
        )
        async with running(prober):
            await until(lambda: prober.under_way == 20)

    assert prober.under_way == 0


async def test_prober_with_a_broken_receiver_ends_loudly() -> None:
    def report(rows: Ints, ok: Bools, at_s: float) -> None:
        raise RuntimeError("receiver is broken")

    prober = Prober([tcp(closed_port())], report, Pace(interval_s=0.02), time.monotonic, random.Random(7))

    with pytest.raises(ExceptionGroup) as ended:
        await prober.run()
    assert ended.group_contains(RuntimeError, match="receiver is broken")


def test_schedule_spreads_the_targets_and_does_not_drift() -> None:
    """Looked at every 10 ms, with one look 1.3 s late: places stay, and those that passed are left out."""
    pace = Pace(interval_s=1.0)
    prober = prober_of([tcp(80)] * 10, Diary(), pace, lambda: 100.0)
    starts: dict[int, list[float]] = {row: [] for row in range(10)}
    looks = [100 + look / 100 for look in range(2000) if not 500 < look < 630]

    for now_s in looks:
        for row in prober.take_due(now_s):
            starts[row].append(now_s)

    for row, times in starts.items():
        phases = [(at_s + 1e-6 - 100 - row / 10) % 1.0 for at_s in times if not 105.0 < at_s < 106.35]
        assert max(phases) <= 0.1 + 0.02, (row, phases)
        assert len(times) in {19, 20}


def test_schedule_with_all_places_taken_waits_for_room() -> None:
    prober = prober_of([tcp(80)] * 10, Diary(), Pace(interval_s=1.0, concurrency=4), lambda: 0.0)

    first = prober.take_due(0.95)
    prober.under_way = 4
    assert prober.take_due(0.95) == []
    prober.under_way = 0
    second = prober.take_due(0.95)

    assert first == [0, 1, 2, 3]
    assert second == [4, 5, 6, 7]


async def test_prober_of_200_targets_four_times_a_second_keeps_up() -> None:
    listener = await asyncio.create_subprocess_exec(sys.executable, "-c", LISTENER, stdout=asyncio.subprocess.PIPE)
    assert listener.stdout is not None
    port = int(await listener.stdout.readline())
    diary = Diary()
    prober = prober_of([ProbeTarget("http", HOST, port)] * 200, diary, Pace(interval_s=0.25, timeout_s=5.0))
    try:
        async with running(prober):
            await until(lambda: len(diary.lines) >= 1_600)
    finally:
        listener.kill()
        await listener.wait()

    counts = Counter(row for row, _, _ in diary.lines)
    assert all(ok for _, ok, _ in diary.lines)
    assert len(counts) == 200
    assert max(counts.values()) - min(counts.values()) <= 3


async def test_prober_says_nothing_of_targets_that_it_may_not_or_cannot_ask() -> None:
    diary = Diary()
    async with listening(silent) as port:
        names = ["169.254.169.254", "x" * 64 + ".invalid"]
        targets = [tcp(port), *(ProbeTarget("tcp", name, port) for name in names)]
        prober = prober_of(targets, diary, Pace(interval_s=0.05))
        async with running(prober):
            await until(lambda: len(diary.lines) >= 10 and len(prober.refused) == 2)

    assert {row for row, _, _ in diary.lines} == {0}
    assert "not probed" in prober.refused["169.254.169.254"]


async def test_p95_is_of_the_last_good_answers_and_unknown_before_there_are_enough() -> None:
    async with listening(silent) as port:
        prober = prober_of([tcp(port), tcp(closed_port())], Diary(), Pace(interval_s=0.01))
        assert np.isnan(prober.p95_s()).all()
        async with running(prober):
            await until(lambda: bool(np.isfinite(prober.p95_s()[0])))

    assert 0 < prober.p95_s()[0] < 1.0
    assert np.isnan(prober.p95_s()[1])
