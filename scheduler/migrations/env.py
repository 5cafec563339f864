"""Alembic's entry: migrate the ledger that the caller names."""

from alembic import context
from sqlalchemy import text
from sqlmodel import SQLModel

from scheduler import drill_tables, tables, usage_tables
from scheduler.database import POSTGRESQL, engine_of

ROWS = (tables, drill_tables, usage_tables)
"""Imported so that the metadata knows every row."""
MIGRATING = 0x45515549
"""Whoever holds this lock of the database migrates; the others wait, and find nothing left to do."""


def upgrade_online() -> None:
    """Run the migrations in one transaction."""
    engine = engine_of(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
        with context.begin_transaction():
            if connection.dialect.name == POSTGRESQL:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
            context.run_migrations()
    engine.dispose()


upgrade_online()
