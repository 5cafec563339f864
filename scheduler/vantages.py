"""The vantages that probe elsewhere: who they are, what they have to probe, and which of their reports are taken.

A vantage dates its rounds by our clock: every answer of ours says what time it is, and it adds what its own clock
counted since. That is late by the time the answer took, never early, and needs no clocks in step.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from config.vantages import Vantage
from health.probe import ProbeTarget
from health.prober import Pace
from placement.columns import Bools, Ints, bools, ints

LATE_S = 1.0
"""A report that was under way for longer says nothing of now."""
EARLY_S = 0.05
ROUNDS_MAX = 400
FORMAT_VERSION = 2
"""Since 2 a report may say how long certificates are still good for."""
CERTIFICATES_MAX = 10_000

Report = Callable[[Ints, Bools, float, int], None]
Row = Annotated[int, Field(ge=0)]


class Round(BaseModel):
    """Some answers of one moment."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    age_s: Annotated[float, Field(ge=0, le=LATE_S)]
    """From then to the report."""
    rows: list[Row]
    """Targets, by their place in the list; each at most once."""
    ok: list[bool]


class Certificate(BaseModel):
    """What a target showed to prove who it is."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    row: Row
    """The target, by its place in the list."""
    expires_s: float
    """From the report until it expires."""


class VantageReport(BaseModel):
    """What a vantage posts: everything since its last report."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    revision: str
    """Of the list of targets that rows count in."""
    session: Annotated[str, Field(min_length=8, max_length=64)]
    """Drawn when the vantage started."""
    sequence: Annotated[int, Field(ge=1)]
    """Counts the reports of a session."""
    clock_s: float
    """What our clock says, as far as it knows."""
    lag_s: Annotated[float, Field(ge=0)]
    """How late its own event loop is."""
    rounds: Annotated[list[Round], Field(max_length=ROUNDS_MAX)]
    certificates: Annotated[list[Certificate], Field(max_length=CERTIFICATES_MAX)] = []
    """Those that are new to the vantage since its last report, and all of them from time to time."""


class Refusal(StrEnum):
    """Why a report was not taken."""

    REPEATED = "repeated"
    """Its sequence number was seen already."""
    LATE = "late"
    EARLY = "early"
    """Dated in the future."""
    OUTDATED = "outdated"
    """It speaks of targets that have changed since."""
    STALLED = "stalled"
    """The vantage stood still, and knows it."""
    MALFORMED = "malformed"


@dataclass(slots=True)
class Seat:
    """One vantage that may report."""

    name: str
    token_sha256: str
    column: int
    """Its place among the vantages; 0 is the controller."""
    session: str = ""
    sequence: int = 0
    clock_s: float = float("-inf")
    heard_at_s: float = float("-inf")
    lag_s: float = 0.0
    accepted: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)
    expires_at_s: dict[int, float] = field(default_factory=dict)
    """Target -> when the certificate that it showed there expires, on our clock."""


class Roster:
    """All vantages but the controller, and their list of targets."""

    def __init__(self, report: Report, now_s: Callable[[], float]) -> None:
        self._report, self.now_s = report, now_s
        self.seats: tuple[Seat, ...] = ()
        self.assign((), (), Pace())

    def assign(self, vantages: Sequence[Vantage], targets: Sequence[ProbeTarget], pace: Pace) -> Ints:
        """Follow new documents. Returns, for every vantage (the controller first), its place before, -1 for new."""
        before = {(seat.name, seat.token_sha256): seat for seat in self.seats}
        kept = [before.get((v.name, v.token_sha256)) for v in vantages]
        rows = [0, *(seat.column if seat else -1 for seat in kept)]
        self.seats = tuple(seat or Seat(v.name, v.token_sha256, 0) for seat, v in zip(kept, vantages, strict=True))
        for column, seat in enumerate(self.seats, 1):
            seat.column = column
            seat.expires_at_s = {}
        self.targets, self.pace = len(targets), pace
        described = {"pace": asdict(pace), "targets": [asdict(target) for target in targets]}
        self.revision = hashlib.sha256(repr(described).encode()).hexdigest()[:16]
        self._assignment = described
        return ints(rows)

    def assignment(self) -> dict[str, Any]:
        """What a vantage has to do."""
        return {"format_version": FORMAT_VERSION, **self.greeting(), **self._assignment}

    def greeting(self) -> dict[str, Any]:
        """What every answer to a vantage says."""
        return {"revision": self.revision, "clock_s": self.now_s()}

    def authenticate(self, token: str) -> Seat | None:
        """Whose token it is. Takes the same time whoever asks."""
        shown = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        found = None
        for seat in self.seats:
            if hmac.compare_digest(shown, seat.token_sha256):
                found = seat
        return found

    def take(self, seat: Seat, report: VantageReport) -> Refusal | None:
        """Count a report as evidence; None when it was taken."""
        now_s = self.now_s()
        refusal = self._refusal(seat, report, now_s)
        if refusal:
            seat.refused[refusal] += 1
            return refusal
        seat.session, seat.sequence, seat.clock_s = report.session, report.sequence, report.clock_s
        seat.heard_at_s, seat.lag_s, seat.accepted = now_s, report.lag_s, seat.accepted + 1
        seat.expires_at_s |= {shown.row: now_s + shown.expires_s for shown in report.certificates}
        for part in sorted(report.rounds, key=lambda part: -part.age_s):
            if part.rows:
                self._report(ints(part.rows), bools(part.ok), report.clock_s - part.age_s, seat.column)
        return None

    def _refusal(self, seat: Seat, report: VantageReport, now_s: float) -> Refusal | None:
        same = report.session == seat.session
        repeated = report.sequence <= seat.sequence if same else report.clock_s <= seat.clock_s
        checks = (
            (report.revision != self.revision, Refusal.OUTDATED),
            (repeated, Refusal.REPEATED),
            (now_s - report.clock_s > LATE_S, Refusal.LATE),
            (report.clock_s - now_s > EARLY_S, Refusal.EARLY),
            (report.lag_s > self.pace.interval_s / 2, Refusal.STALLED),
            (not all(self._sound(part) for part in report.rounds), Refusal.MALFORMED),
            (any(shown.row >= self.targets for shown in report.certificates), Refusal.MALFORMED),
        )
        return next((refusal for holds, refusal in checks if holds), None)

    def _sound(self, part: Round) -> bool:
        rows = np.array(part.rows, dtype=np.int64)
        return len(rows) == len(part.ok) == len(np.unique(rows)) and bool((rows < self.targets).all())
