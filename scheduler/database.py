"""The database of the ledger: an engine that keeps what it acknowledged, the newest schema, and its own clock."""

import json
import threading
import time
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, event
from sqlmodel import Session, create_engine

BUSY_TIMEOUT_MS = 5_000
SQLITE = "sqlite:///"
POSTGRESQL = "postgresql"
MIGRATIONS = Path(__file__).with_name("migrations")
ALEMBIC = threading.Lock()
"""Its context is a global of the process."""
CONNECT_TIMEOUT_S = 2
ANSWER_TIMEOUT_MS = 2_000
"""A PostgreSQL that does not answer by then counts as down: an evacuation must not wait for it."""


class Encoded(str):
    """JSON that was made already: a row takes it as it is."""

    __slots__ = ()


def encoded(value: object) -> str:
    """What a column of JSON is written as."""
    return value if isinstance(value, Encoded) else json.dumps(value)


def engine_of(url: str, readonly: bool = False) -> Engine:
    """An engine for a ledger's URL, with whatever makes that database durable."""
    if url.startswith(SQLITE):
        if readonly:
            return create_engine(f"{SQLITE}file:{url.removeprefix(SQLITE)}?mode=ro&uri=true")
        engine = create_engine(url, json_serializer=encoded)
        event.listen(engine, "connect", _durable)
        return engine
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != POSTGRESQL:
        return create_engine(parsed, json_serializer=encoded)
    return create_engine(
        parsed.set(drivername=f"{POSTGRESQL}+psycopg"),
        pool_pre_ping=True,
        json_serializer=encoded,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "tcp_user_timeout": ANSWER_TIMEOUT_MS,
            "application_name": "equipoise",
            "options": f"-c statement_timeout={ANSWER_TIMEOUT_MS} -c lock_timeout={ANSWER_TIMEOUT_MS} "
            f"-c synchronous_commit=on -c default_transaction_read_only={'on' if readonly else 'off'}",
        },
    )


def migrate(url: str) -> None:
    """Bring the schema of a ledger to the newest revision. Controllers that start together wait for one another."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    with ALEMBIC:
        command.upgrade(config, "head")


def now_s(session: Session) -> float:
    """Seconds since 1970 by the database's clock, so that several controllers go by one; this machine's for SQLite."""
    if session.get_bind().dialect.name != POSTGRESQL:
        return time.time()
    return float(session.execute(sqlalchemy.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())


def _durable(connection: object, _record: object) -> None:
    """WAL with a full sync at each commit: an intent that was acknowledged survives a power cut."""
    cursor = connection.cursor()  # type: ignore[attr-defined]  # a DB-API connection has no type of its own
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
