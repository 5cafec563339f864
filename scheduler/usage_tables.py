"""The rows in which the ledger keeps what was used."""

from sqlalchemy import LargeBinary
from sqlmodel import JSON, Column, Field, SQLModel


class UsageRow(SQLModel, table=True):
    """What a stretch of time used: quantities, no money, so that any price book can be put to it."""

    __tablename__ = "usage"

    id: int | None = Field(default=None, primary_key=True)
    starts_s: int = Field(index=True)
    """Of the hour or the day that it belongs to, seconds since 1970."""
    span_s: int = Field(index=True)
    """3,600 for a part of an hour, of which there may be several; 86,400 for a whole day of them, added up."""
    covered_s: float
    """Of the span, how much was measured."""
    head: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))
    """Names by code; of a day also the covered seconds of its hours."""
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Columns as Arrow IPC; see scheduler.usage."""
