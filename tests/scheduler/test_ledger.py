import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from placement.fleet import OriginId
from placement.weights import table_of
from scheduler.ledger import Ledger
from scheduler.loop import tick
from scheduler.ports import LedgerDown
from scheduler.turn import Turn
from tests.scheduler.ports import bench

EU = OriginId("eu")


async def turns(count: int) -> list[Turn]:
    """Some real turns."""
    b = bench()
    made = []
    for at_s in range(count):
        b.clock.at_s = 5.0 * at_s
        b.measure()
        b.state, turn = await tick(b.state, b.ports, b.policy)
        made.append(turn)
    return made


async def test_open_raises_the_epoch_every_time(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    epochs = []
    for _ in range(3):
        ledger = Ledger(url)
        epochs.append(await ledger.open())
        ledger.close()

    assert epochs == [1, 2, 3]


async def test_open_writes_ahead_in_wal_with_full_sync(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    ledger.close()

    with sqlite3.connect(tmp_path / "ledger.db") as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    plain.close()


async def test_tables_after_a_crash_are_the_newest_intents(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    await ledger.intend(1, {EU: table_of("eu", 100, {"web": {"a": (100, 0)}}, (1, 1))})
    await ledger.intend(2, {EU: table_of("eu", 100, {"web": {"a": (40, 0), "b": (60, 0)}}, (1, 2))})

    again = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await again.open()
    tables = await again.tables()
    again.close()
    ledger.close()

    assert tables[EU].fence == (1, 2)
    assert [t.weight for t in tables[EU].targets(0)] == [40, 60]


async def test_verify_of_an_untouched_chain_counts_it_and_of_a_changed_one_names_the_row(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    for turn in await turns(4):
        await ledger.record(turn)
    assert await ledger.verify() == 4

    plain = sqlite3.connect(tmp_path / "ledger.db")
    plain.execute("UPDATE turn SET body = replace(body, '\"solved\"', '\"held\"') WHERE number = 2")
    plain.commit()
    plain.close()

    with pytest.raises(LedgerDown, match="turns breaks at row 2"):
        await ledger.verify()
    ledger.close()


async def test_intend_when_the_file_cannot_be_written_raises_ledger_down(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/nowhere/ledger.db")

    with pytest.raises(LedgerDown, match="unable to open"):
        await ledger.intend(1, {EU: table_of("eu", 100, {"web": {"a": (100, 0)}})})
    ledger.close()


async def test_switch_when_set_survives_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    assert await ledger.switch("mode") is None
    await ledger.set_switch("mode", "frozen", "moving house")
    ledger.close()

    again = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await again.open()
    assert await again.switch("mode") == "frozen"
    again.close()


async def test_readonly_ledger_that_is_not_there_yet_is_down_and_makes_no_file(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", readonly=True)

    with pytest.raises(LedgerDown):
        await ledger.tables()

    ledger.close()
    assert not Path(tmp_path, "ledger.db").is_file()  # noqa: ASYNC240  a test may


async def test_schema_of_the_migrations_is_the_schema_of_the_rows(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    ledger.close()

    engine = create_engine(f"sqlite:///{tmp_path}/ledger.db")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    engine.dispose()
    assert differences == []


async def test_good_weights_survive_a_restart_and_only_the_newest_twenty_are_kept(tmp_path: Path) -> None:
    url, (turn,) = f"sqlite:///{tmp_path}/ledger.db", await turns(1)
    ledger = Ledger(url)
    await ledger.open()
    assert await ledger.good() == {}
    for share in range(30):
        table = table_of("eu", 100, {"web": {"a": (share, 0 if share else 1), "b": (100 - share, 0)}})
        await ledger.record(replace(turn, good={EU: table}))
    ledger.close()

    again = Ledger(url)
    good = await again.good()
    again.close()

    assert good[EU].content() == table.content()
    with sqlite3.connect(tmp_path / "ledger.db") as plain:
        assert plain.execute("SELECT count(*) FROM good").fetchone() == (20,)
    plain.close()
