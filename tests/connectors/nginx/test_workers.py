"""When a reload is over: real NGINX workers, some of which are held up."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.nginx.configuration import before_in, configuration
from connectors.nginx.connector import nginx_connector
from connectors.nginx.workers import Worker, still_accepting, worker_of, workers_beside
from tests.connectors.nginx.test_configuration import SPEC
from tests.contract.harness import SERVICE, UNIT, table
from tests.contract.harness_nginx import NginxHarness, nginx


async def workers(mesh: NginxHarness) -> frozenset[Worker]:
    """Those of the NGINX under test."""
    found = workers_beside((await mesh.connector.dialect.running()).pid)  # type: ignore[attr-defined]
    assert found is not None
    return found


@contextmanager
def held(worker: Worker) -> Iterator[None]:
    """A worker that gets no processor, as on a machine that is too busy."""
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker.pid, signal.SIGCONT)


async def test_programmed_of_several_writes_in_a_row_means_that_no_request_meets_an_old_worker(tmp_path: Path) -> None:
    async with nginx(tmp_path, workers=4, workers_max=1_000) as mesh:
        for number in range(1, 9):
            cluster, before = ("east", "north", "west")[number % 3], await workers(mesh)

            receipt = await mesh.connector.write(table({cluster: UNIT}, fence=(1, number)))

            assert receipt.programmed is True
            assert not still_accepting(before)
            assert await mesh.send(SERVICE, 200) == {cluster: 200}


async def test_old_worker_that_is_held_up_is_named_and_nothing_is_called_programmed_until_it_goes(
    tmp_path: Path,
) -> None:
    async with nginx(tmp_path, workers=2, reload_timeout_s=0.4) as mesh:
        old = min(await workers(mesh))
        with held(old):
            receipt = await mesh.connector.write(table({"east": UNIT}))
            anew = nginx_connector(mesh.spec)  # it knows nothing but what lies in the file
            again = await anew.write(table({"east": UNIT}, fence=(1, 2)))
            await anew.close()

        assert (receipt.accepted, receipt.programmed, again.programmed) == (True, False, False)
        assert receipt.detail.startswith("old workers of NGINX with ")
        assert receipt.detail.endswith(f" may accept connections yet: {old.pid}")
        settled = await mesh.connector.write(table({"east": 5_000, "west": 5_000}, fence=(1, 3)))
        assert settled.programmed is True
        assert not still_accepting([old])


async def test_nginx_that_does_not_say_its_worker_is_not_called_programmed_until_it_does(tmp_path: Path) -> None:
    def by_an_earlier_release(text: str) -> str:
        return text.replace('{"version": ', "").replace(', "pid": $pid}', "")

    async with nginx(tmp_path, first=by_an_earlier_release) as mesh:
        first = await mesh.connector.write(table({"east": UNIT}))
        second = await mesh.connector.write(table({"west": UNIT}, fence=(1, 2)))

    assert (first.accepted, first.programmed) == (True, None)
    assert "old ones may accept connections yet" in first.detail
    assert second.programmed is True


def test_workers_in_a_file_are_those_it_was_written_with_and_unknown_ones_are_none() -> None:
    old = frozenset({Worker(4711, 123_456), Worker(12, 7)})

    assert before_in(configuration(SPEC, {}, "", old)) == old
    assert before_in(configuration(SPEC, {}, "", None)) is None
    assert before_in(configuration(SPEC, {})) == frozenset()
    assert worker_of("4711") is worker_of("x/1") is None


def test_process_that_is_no_worker_of_nginx_has_no_workers_beside_it() -> None:
    assert workers_beside(os.getpid()) is None
    assert workers_beside(0) is None
