"""The rows of the ledger."""

from sqlmodel import JSON, Column, Field, SQLModel


class LeaseRow(SQLModel, table=True):
    """One row: who leads. Taking it raises the epoch, and every mesh refuses writes of a lower one."""

    __tablename__ = "lease"

    id: int = Field(default=1, primary_key=True)
    epoch: int
    taken_at_s: float
    """Seconds since 1970."""
    holder: str = Field(default="", sa_column_kwargs={"server_default": ""})
    expires_at_s: float = Field(default=0.0, sa_column_kwargs={"server_default": "0"})
    """By the clock of the database. Another controller may take the lease after this."""


class IntentRow(SQLModel, table=True):
    """A weight table that we are about to write, durable before it is written."""

    __tablename__ = "intent"

    id: int | None = Field(default=None, primary_key=True)
    turn: int = Field(index=True)
    origin: str = Field(index=True)
    epoch: int
    version: int
    digest: str
    content: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))


class TurnRow(SQLModel, table=True):
    """What one tick saw, decided and did. `hash` covers the body and the previous row's hash."""

    __tablename__ = "turn"

    id: int | None = Field(default=None, primary_key=True)
    number: int = Field(index=True)
    epoch: int
    wall_s: float = Field(index=True)
    body: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))
    previous_hash: str
    hash: str


class GoodRow(SQLModel, table=True):
    """Weights that stood well long enough to be gone back to; the newest row counts."""

    __tablename__ = "good"

    id: int | None = Field(default=None, primary_key=True)
    turn: int
    wall_s: float
    content: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))
    """By origin; see WeightTable.content."""


class DeedsRow(SQLModel, table=True):
    """What we did lately, see scheduler.deeds; one row, written over."""

    __tablename__ = "deeds"

    id: int = Field(default=1, primary_key=True)
    wall_s: float
    content: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))


class SwitchRow(SQLModel, table=True):
    """A switch that an operator set, with the reason; the newest row of a name counts."""

    __tablename__ = "switch"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    value: str
    reason: str
    wall_s: float


class OverrideRow(SQLModel, table=True):
    """An override; kept after it ended."""

    __tablename__ = "override"

    id: str = Field(primary_key=True)
    kind: str
    service: str
    origin: str
    cluster: str
    ratio: float
    reason: str
    by: str
    made_wall_s: float
    expires_wall_s: float = Field(index=True)
    """When it ends or ended, whether by itself or because somebody took it back."""
    revision: int


class AuditRow(SQLModel, table=True):
    """Somebody changed something. `hash` covers the body and the previous row's hash."""

    __tablename__ = "audit"

    id: int | None = Field(default=None, primary_key=True)
    wall_s: float = Field(index=True)
    who: str = Field(index=True)
    action: str = Field(index=True)
    body: dict[str, object] = Field(sa_column=Column(JSON, nullable=False))
    previous_hash: str
    hash: str
