"""Both kinds of lease under one set of promises, on a real PostgreSQL and on files."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from placement.fleet import OriginId
from placement.weights import table_of
from scheduler.lease import FileLease, StoreLease, lease_of, won
from scheduler.ledger import Ledger
from scheduler.ports import Deposed, LedgerDown
from tests import real
from tests.postgresql import database, postgresql
from tests.scheduler.running import eventually

EU = OriginId("eu")
TABLE = {EU: table_of("eu", 100, {"web": {"a": (100, 0)}}, (1, 1))}
TTL_S = 0.6
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> str:
    """A migrated ledger."""
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path}/ledger.db"
    else:
        found = database(server, f"lease{next(NUMBERS)}")
    ledger = Ledger(found)
    await ledger.migrate()
    ledger.close()
    return found


@pytest.fixture
async def lease(url: str) -> AsyncIterator[Callable[[str], StoreLease | FileLease]]:
    """Makes leases of one ledger; all are released in the end."""
    made: list[StoreLease | FileLease] = []

    def make(name: str) -> StoreLease | FileLease:
        made.append(lease_of(url, name, TTL_S))
        return made[-1]

    yield make
    for one in made:
        await one.release()


async def test_take_while_another_leads_is_none_and_names_the_leader(
    lease: Callable[[str], StoreLease | FileLease],
) -> None:
    first, second = lease("first"), lease("second")

    assert await first.take() == 1
    assert await second.take() is None
    assert await second.holder() == "first"


async def test_release_when_done_lets_the_next_one_lead_at_once_with_a_higher_epoch(
    lease: Callable[[str], StoreLease | FileLease],
) -> None:
    first, second = lease("first"), lease("second")
    assert await first.take() == 1
    waits = asyncio.create_task(won(second, 0.05, lambda _: None))

    await first.release()

    assert await waits == 2


async def test_write_of_a_deposed_controller_is_refused_by_the_ledger(
    url: str, lease: Callable[[str], StoreLease | FileLease]
) -> None:
    first, second, ledger = lease("first"), lease("second"), Ledger(url)
    await ledger.lead(await first.take() or 0)
    await ledger.intend(1, TABLE)
    await first.release()
    assert await second.take() == 2

    with pytest.raises(Deposed, match=r"second leads with epoch 2, ours was 1"):
        await ledger.intend(2, TABLE)
    with pytest.raises(Deposed):
        await ledger.set_switch("mode", "frozen", "too late")
    ledger.close()


async def test_leases_when_taken_by_many_at_once_have_one_winner(
    lease: Callable[[str], StoreLease | FileLease],
) -> None:
    claims = await asyncio.gather(*(lease(f"controller {i}").take() for i in range(6)))

    assert sorted(claim or 0 for claim in claims) == [0, 0, 0, 0, 0, 1]


async def test_keep_when_the_term_ran_out_and_another_leads_says_deposed(server: str) -> None:
    url = database(server, f"lease{next(NUMBERS)}")
    ledger = Ledger(url)
    await ledger.migrate()
    first, second = StoreLease(url, "first", 0.0), StoreLease(url, "second", TTL_S)
    assert await first.take() == 1, "a term of no length: its holder was never heard of again"
    assert await second.take() == 2

    with pytest.raises(Deposed, match="first, epoch 1"):
        await first.keep()

    kept = asyncio.create_task(second.keep())
    third = StoreLease(url, "third", TTL_S)
    end_s = asyncio.get_running_loop().time() + 2 * TTL_S
    while asyncio.get_running_loop().time() < end_s:
        assert await third.take() is None, "a leader that renews is not followed"
    kept.cancel()
    await second.release()
    assert await third.take() == 3
    await third.release()
    first.close()
    ledger.close()


@pytest.fixture
async def long_term(server: str) -> AsyncIterator[tuple[str, StoreLease, StoreLease]]:
    """A ledger whose leader has a term of a minute, and a standby that takes it for gone after a third of a second."""
    url = database(server, f"lease{next(NUMBERS)}")
    ledger = Ledger(url)
    await ledger.migrate()
    ledger.close()
    leader, standby = StoreLease(url, "leader", 60.0), StoreLease(url, "standby", 1.0)
    assert await leader.take() == 1
    assert await standby.take() is None
    yield url, leader, standby
    leader.close()
    standby.close()


async def test_take_when_the_session_of_the_leader_has_ended_does_not_wait_for_its_term(
    long_term: tuple[str, StoreLease, StoreLease],
) -> None:
    _, leader, standby = long_term

    leader.close()  # what the kernel does for a process that was killed

    assert await won(standby, 1.0, lambda _: None) == 2


async def test_take_when_the_session_of_the_leader_ended_but_it_renews_leaves_it_the_term(
    long_term: tuple[str, StoreLease, StoreLease], server: str
) -> None:
    url, leader, standby = long_term
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = %s)",
            [url.rpartition("/")[2]],
        )
    assert await standby.take() is None, "it sees a free lock, and gives the leader time to renew"

    assert leader._renew()

    for _ in range(20):
        assert await standby.take() is None


async def test_take_by_a_standby_that_never_saw_a_session_waits_for_the_term(server: str) -> None:
    url = database(server, f"lease{next(NUMBERS)}")
    ledger = Ledger(url)
    await ledger.migrate()
    leader = StoreLease(url, "leader", 60.0)
    assert await leader.take() == 1
    leader.close()
    late = StoreLease(url, "late", 0.0)

    for _ in range(20):
        assert await late.take() is None, "it may be one that a pooler keeps apart from its lock"
    late.close()
    ledger.close()


async def test_store_that_is_away_deposes_nobody_and_makes_nobody_lead(server: str) -> None:
    url = database(server, f"lease{next(NUMBERS)}")
    ledger = Ledger(url)
    await ledger.migrate()
    leader = StoreLease(url, "leader", 0.2)
    assert await leader.take() == 1
    kept = asyncio.create_task(leader.keep())
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {url.rpartition('/')[2]} ALLOW_CONNECTIONS false")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.rpartition("/")[2]]
        )
        said: asyncio.Queue[str] = asyncio.Queue()
        standby = StoreLease(url, "standby", 0.2)
        waits = asyncio.create_task(won(standby, 0.2, said.put_nowait))
        for _ in range(3):
            assert "unknown" in await said.get()

        assert not kept.done(), "a leader without its store goes on"
        assert not waits.done()
        with pytest.raises(LedgerDown):
            await ledger.intend(1, TABLE)
        admin.execute(f"ALTER DATABASE {url.rpartition('/')[2]} ALLOW_CONNECTIONS true")

    witness = StoreLease(url, "witness", 0.2)

    async def led() -> bool:
        try:
            return bool(await witness.holder())
        except LedgerDown:
            return False

    await eventually(led, "one of them leads again")
    for task in (kept, waits):
        task.cancel()
    await asyncio.wait({kept, waits})
    for lease_of_ours in (leader, standby, witness):
        lease_of_ours.close()
    ledger.close()


async def test_migrations_when_run_by_several_processes_at_once_are_made_once(server: str) -> None:
    url = database(server, f"lease{next(NUMBERS)}")
    words = f"from scheduler.database import migrate; migrate({url!r})"

    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", words, cwd=real.ROOT) for _ in range(2)]

    assert [await process.wait() for process in processes] == [0, 0]
    ledger = Ledger(url)
    assert await ledger.open() == 1
    ledger.close()
