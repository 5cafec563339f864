"""What the probes said, counted: consecutive failures and successes of every target, as each vantage saw them."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Bools, Floats, Ints, floats, ints


@dataclass(frozen=True, slots=True)
class Evidence:
    """(T, V) targets x vantages. Target t is backend t of the fleet; a vantage is a place we probe from."""

    fails: Ints
    """Failures since the last success; 0 before the first probe."""
    passes: Ints
    """Successes since the last failure."""
    last_at_s: Floats
    """When the latest result was taken; -inf before the first."""

    @property
    def vantages(self) -> int:
        """How many places look."""
        return int(self.fails.shape[1])


def no_evidence(targets: int, vantages: int = 1) -> Evidence:
    """Nobody has looked yet."""
    none = np.zeros((targets, vantages), dtype=np.int64)
    return Evidence(ints(none), ints(none), floats(np.full(none.shape, -np.inf)))


def record(evidence: Evidence, rows: Ints, vantage: int, ok: Bools, at_s: float) -> Evidence:
    """The evidence with one round of results: target `rows[i]` answered `ok[i]`. A row occurs once in a round.

    A result that is not newer than the one we have from that vantage is repeated or late, and changes nothing.
    """
    newer = evidence.last_at_s[rows, vantage] < at_s
    row, good = rows[newer], ok[newer]
    fails, passes, last_at_s = evidence.fails.copy(), evidence.passes.copy(), evidence.last_at_s.copy()
    fails[row, vantage] = np.where(good, 0, fails[row, vantage] + 1)
    passes[row, vantage] = np.where(good, passes[row, vantage] + 1, 0)
    last_at_s[row, vantage] = at_s
    for column in (fails, passes, last_at_s):
        column.setflags(write=False)
    return Evidence(fails, passes, last_at_s)


def carried_evidence(evidence: Evidence, rows: Ints) -> Evidence:
    """The evidence for a new fleet: its target t was target `rows[t]`, -1 where it is new."""
    new, old = no_evidence(len(rows), evidence.vantages), np.maximum(rows, 0)
    if not len(evidence.fails):
        return new
    known = (rows >= 0)[:, None]
    return Evidence(
        ints(np.where(known, evidence.fails[old], new.fails)),
        ints(np.where(known, evidence.passes[old], new.passes)),
        floats(np.where(known, evidence.last_at_s[old], new.last_at_s)),
    )
