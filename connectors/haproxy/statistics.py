"""What an HAProxy counts, as telemetry: requests, refusals, errors and response times out of `show stat`."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from connectors.connector import Unavailable
from connectors.haproxy.programmed import BadAnswer
from connectors.haproxy.runtime import ask
from connectors.haproxy.spec import HaproxySpec
from connectors.rehearsal import Tally
from connectors.telemetry import Batch, Signal, Witness
from placement.columns import floats
from placement.fleet import ClusterId, ServiceId

QUESTION = "show stat -1 6 -1"
"""Of every proxy (-1) the backends (2) and servers (4), each with all its servers (-1)."""
BACKEND = "BACKEND"
DRILL = ":drill"
"""How the backends of a rehearsed failover end."""
COUNTER_DIGITS_MAX = 20


class Counters(NamedTuple):
    """What one server or one backend has counted since HAProxy started."""

    requests: int
    """Sent to a server; for a backend, come in, refused ones too."""
    answers: int
    """Whatever their status."""
    errors: int
    """Answers of 5xx."""
    broken: int
    """Connections that failed and answers that broke off, whether or not the request was tried again elsewhere."""
    response_ms: float
    """Mean of the last 1,024 answers; 0 before the first."""
    address: str
    """Where a server is, as HAProxy writes it; empty for a backend."""


Counts = Mapping[tuple[str, str], Counters]
"""By (backend, server), BACKEND for a backend as a whole."""
Values = Mapping[tuple[str, ...], float]


def counts_of(answer: str, backends: frozenset[str]) -> dict[tuple[str, str], Counters]:
    """The counters of some backends; BadAnswer for anything but the answer to QUESTION."""
    lines = answer.split("\n")
    if not lines[0].startswith("# pxname,svname,"):
        raise BadAnswer(f"`{QUESTION}` was answered with {answer[:80]!r}")
    try:
        rows = list(csv.DictReader([lines[0][2:], *lines[1:]], strict=True))
    except csv.Error as error:
        raise BadAnswer(f"`{QUESTION}` was answered with broken CSV: {error}") from None
    return {(row["pxname"], row["svname"] or ""): _counters(row) for row in rows if row["pxname"] in backends}


def _counters(row: Mapping[str, str | None]) -> Counters:
    answers = sum(_count(row, f"hrsp_{kind}") for kind in ("1xx", "2xx", "3xx", "4xx", "5xx", "other"))
    # A failed connection that is tried again counts as wretr or wredis alone, and as econ when it was the last.
    broken = sum(_count(row, name) for name in ("econ", "eresp", "wretr", "wredis"))
    requests = _count(row, "req_tot" if row["svname"] == BACKEND else "stot")
    response_ms = float(_count(row, "rtime"))
    return Counters(requests, answers, _count(row, "hrsp_5xx"), broken, response_ms, row.get("addr") or "")


def _count(row: Mapping[str, str | None], name: str) -> int:
    text = row.get(name)
    if text is None:
        raise BadAnswer(f"`{QUESTION}` has no field {name}, or a row ends before it")
    if text and not (text.isascii() and text.isdigit() and len(text) <= COUNTER_DIGITS_MAX):
        raise BadAnswer(f"{text[:20]!r} stands where `{QUESTION}` has the number {name}")
    return int(text or 0)


def grown(before: Counts, after: Counts) -> dict[tuple[str, str], Counters]:
    """What was counted in between, rehearsed requests with the regular ones: both are real.

    A counter below what it was began anew, with HAProxy itself.
    """
    none = Counters(0, 0, 0, 0, 0.0, "")
    found: dict[tuple[str, str], Counters] = {}
    for key, now in after.items():
        whole, new = (key[0].removesuffix(DRILL), key[1]), _since(before.get(key, none), now)
        found[whole] = _sum(found[whole], new) if whole in found else new
    return found


def ended(counted: Iterable[Counters]) -> tuple[int, int]:
    """(requests that ended, those of them that ended badly) at some servers."""
    rows = list(counted)
    return sum(c.answers + c.broken for c in rows), sum(c.errors + c.broken for c in rows)


def _since(before: Counters, now: Counters) -> Counters:
    grew = Counters(
        now.requests - before.requests,
        now.answers - before.answers,
        now.errors - before.errors,
        now.broken - before.broken,
        now.response_ms,
        now.address,
    )
    return now if min(grew.requests, grew.answers, grew.errors, grew.broken) < 0 else grew


class HaproxyStatistics:
    """The counters of one HAProxy, a connectors.telemetry.TelemetrySource. The first look gives nothing: no rate yet.

    Times of answers are HAProxy's own means and hold the round trip, which `rtt_ms` of the address book takes off.
    """

    def __init__(
        self,
        spec: HaproxySpec,
        now_s: Callable[[], float],
        interval_s: float = 1.0,
        witness: Witness | None = None,
        rates_over_s: float = 0.0,
    ) -> None:
        self.spec = spec
        self.interval_s = interval_s
        self._now_s, self._witness, self._rates_over_s = now_s, witness, rates_over_s
        self._last: tuple[float, Counts] | None = None
        self._looked: tuple[float, Counts] | None = None

    @property
    def name(self) -> str:
        """`haproxy:<origin>`."""
        return f"haproxy:{self.spec.origin}"

    async def collect(self) -> tuple[Batch, ...]:
        """Demand, what was sent where, errors and latency, over `rates_over_s` at least. Raises Unavailable.

        What clients saw goes to the witness at every call.
        """
        what = f"{self.spec.origin}: HAProxy at {self.spec.socket}, `{QUESTION}`"
        answer = await ask(self.spec.socket, QUESTION, what)
        try:
            counts = counts_of(answer, self.spec.services | self.spec.drills)
        except BadAnswer as strange:
            raise Unavailable(f"{what}: {strange}") from None
        before, at_s = self._last, self._now_s()
        self._testify(counts, at_s)
        if before is not None and before[0] < at_s < before[0] + self._rates_over_s:
            return ()
        self._last = at_s, counts
        if before is None or at_s <= before[0]:
            return ()
        return tuple(_batches(self, grown(before[1], counts), at_s, at_s - before[0]))

    def tally(self, services: Iterable[str]) -> Tally:
        """Requests of some services that ended by the last look: by rehearsed weights, and by the regular ones."""
        counts = self._looked[1] if self._looked else {}
        names = set(services)
        ours = [c for (backend, server), c in counts.items()
                if server != BACKEND and backend.endswith(DRILL) and backend.removesuffix(DRILL) in names]  # fmt: skip
        theirs = [c for (backend, server), c in counts.items() if server != BACKEND and backend in names]
        return Tally(*ended(ours), *ended(theirs))

    def _testify(self, counts: Counts, at_s: float) -> None:
        before, self._looked = self._looked, (at_s, counts)
        if self._witness and before:
            found = by_cluster(grown(before[1], counts), self.spec)
            seen = [(ServiceId(s), c, n.answers - n.errors, n.errors + n.broken) for (s, c), n in found.items()]
            self._witness(seen, before[0], at_s)


def _batches(source: HaproxyStatistics, since: Counts, at_s: float, seconds: float) -> Iterator[Batch]:
    """A batch for each signal that there is something of. A server without requests was sent 0, which is news."""
    origin, rtt_ms = source.spec.origin, source.spec.rtt_ms
    demand: Values = {
        (backend, origin): c.requests / seconds for (backend, name), c in since.items() if name == BACKEND
    }
    found = by_cluster(since, source.spec)
    sent: Values = {(service, origin, cluster): c.requests / seconds for (service, cluster), c in found.items()}
    ended = {key: c for key, c in found.items() if c.answers + c.broken}
    errors: Values = {key: (c.errors + c.broken) / (c.answers + c.broken) for key, c in ended.items()}
    answered = {key: c.response_ms for key, c in found.items() if c.answers and key[1] in rtt_ms}
    latency: Values = {key: max(ms - rtt_ms[key[1]], 0.0) for key, ms in answered.items()}
    signals = {
        Signal.DEMAND_RPS: demand,
        Signal.SENT_RPS: sent,
        Signal.ERROR_RATIO: errors,
        Signal.LATENCY_MS: latency,
    }
    for signal, values in signals.items():
        if values:
            yield Batch(signal, source.name, at_s, tuple(values), floats(list(values.values())))


def by_cluster(since: Counts, spec: HaproxySpec) -> dict[tuple[str, ClusterId], Counters]:
    """Servers added up by (service, cluster). A standby counts for the cluster whose address it has been given."""
    owner = {
        (service, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"): cluster
        for (service, cluster), addresses in spec.endpoints.items()
        for host, port in addresses
    }
    found: dict[tuple[str, ClusterId], Counters] = {}
    for (backend, server), counters in since.items():
        cluster = owner.get((ServiceId(backend), counters.address))
        if server != BACKEND and cluster is not None:
            before = found.get((backend, cluster))
            found[backend, cluster] = _sum(before, counters) if before else counters
    return found


def _sum(a: Counters, b: Counters) -> Counters:
    answers = a.answers + b.answers
    response_ms = (a.response_ms * a.answers + b.response_ms * b.answers) / answers if answers else 0.0
    broken = a.broken + b.broken
    return Counters(a.requests + b.requests, answers, a.errors + b.errors, broken, response_ms, a.address)
