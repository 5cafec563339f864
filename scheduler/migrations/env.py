"""Alembic's entry: migrate the ledger that the caller names."""

from alembic import context
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from scheduler import drill_tables, tables

ROWS = (tables, drill_tables)
"""Imported so that the metadata knows every row."""


def upgrade_online() -> None:
    """Run the migrations in one transaction."""
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


upgrade_online()
