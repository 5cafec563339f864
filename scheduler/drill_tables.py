"""The rows that drills leave in the ledger."""

from sqlmodel import JSON, Column, Field, SQLModel


class DrillRow(SQLModel, table=True):
    """One drill; `body` is what is shown of it. A row without an outcome was cut off by the end of its controller."""

    __tablename__ = "drill"

    id: str = Field(primary_key=True)
    level: int = Field(index=True)
    loss: str = Field(index=True)
    outcome: str = Field(index=True)
    """Empty while it is under way."""
    began_wall_s: float = Field(index=True)
    """Seconds since 1970."""
    ended_wall_s: float | None = None
    body: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))


class DrillEventRow(SQLModel, table=True):
    """One line of the timeline of a drill. `hash` covers the body and the hash of the line before it."""

    __tablename__ = "drill_event"

    id: int | None = Field(default=None, primary_key=True)
    drill: str = Field(index=True)
    wall_s: float
    body: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))
    previous_hash: str
    hash: str
