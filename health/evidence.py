"""What the probes said, counted: consecutive failures and successes of every target, as each vantage saw them."""

from dataclasses import dataclass, field, replace

import numpy as np

from health.passive import Clients, carried_clients, no_clients
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
    missing_since_s: Floats
    """When the failures since the last success began; +inf where there are none."""
    clients: Clients = field(default_factory=lambda: no_clients(0))
    """What clients saw of the same targets; of none where nobody reports it."""
    gateways: "Evidence | None" = None
    """What the probes said of the ways in: (C, V) clusters x vantages. None where no way in is probed apart."""

    @property
    def vantages(self) -> int:
        """How many places look."""
        return int(self.fails.shape[1])


def no_evidence(targets: int, vantages: int = 1) -> Evidence:
    """Nobody has looked yet."""
    none = np.zeros((targets, vantages), dtype=np.int64)
    never = np.full(none.shape, np.inf)
    return Evidence(ints(none), ints(none), floats(-never), floats(never), no_clients(targets))


def record(evidence: Evidence, rows: Ints, vantage: int, ok: Bools, at_s: float) -> Evidence:
    """The evidence with one round of results: target `rows[i]` answered `ok[i]`. A row occurs once in a round.

    A result that is not newer than the one we have from that vantage is repeated or late, and changes nothing.
    """
    newer = evidence.last_at_s[rows, vantage] < at_s
    row, good = rows[newer], ok[newer]
    fails, passes, last_at_s = evidence.fails.copy(), evidence.passes.copy(), evidence.last_at_s.copy()
    since_s = evidence.missing_since_s.copy()
    since_s[row, vantage] = np.where(good, np.inf, np.minimum(since_s[row, vantage], at_s))
    fails[row, vantage] = np.where(good, 0, fails[row, vantage] + 1)
    passes[row, vantage] = np.where(good, passes[row, vantage] + 1, 0)
    last_at_s[row, vantage] = at_s
    for column in (fails, passes, last_at_s, since_s):
        column.setflags(write=False)
    return Evidence(fails, passes, last_at_s, since_s, evidence.clients, evidence.gateways)


def carried_evidence(evidence: Evidence, rows: Ints, vantage_rows: Ints | None = None) -> Evidence:
    """The evidence for a new fleet: its target t was target `rows[t]`, -1 where it is new.

    Likewise for vantages: new vantage v was `vantage_rows[v]`; None where they are the same as before.
    """
    columns = np.arange(evidence.vantages) if vantage_rows is None else vantage_rows
    new, old, old_column = no_evidence(len(rows), len(columns)), np.maximum(rows, 0), np.maximum(columns, 0)
    if not len(evidence.fails):
        return new
    known = (rows >= 0)[:, None] & (columns >= 0)[None, :]
    pick = np.ix_(old, old_column)
    return Evidence(
        ints(np.where(known, evidence.fails[pick], new.fails)),
        ints(np.where(known, evidence.passes[pick], new.passes)),
        floats(np.where(known, evidence.last_at_s[pick], new.last_at_s)),
        floats(np.where(known, evidence.missing_since_s[pick], new.missing_since_s)),
        carried_clients(evidence.clients, rows),
    )


def with_clients(evidence: Evidence, clients: Clients) -> Evidence:
    """The evidence with newer news of the clients."""
    return replace(evidence, clients=clients)
