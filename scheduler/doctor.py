"""What is known of every cluster and signal, how old it is, and what to do where it is missing."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from config.configuration import Configuration as Documents
from connectors.connector import Refused, Unavailable
from connectors.telemetry import Batch, Signal
from placement.columns import Floats, Ints
from placement.fleet import Fleet
from scheduler.hygiene import FIELDS, HygieneLimits, Memory, Rejection, clean
from scheduler.prices_checked import prices_checked
from scheduler.sources import Asked, sources_of
from scheduler.summary import Json
from scheduler.translate import loop_configuration

HINT = "docs/telemetry.md"
REPORTED = "proxies report it to a running controller: `equipoise doctor` without documents asks it"


class Health(StrEnum):
    """Of one signal at one place, best first."""

    OK = "ok"
    PARTIAL = "partial"
    """Some services have it."""
    STALE = "stale"
    """It was there, and is too old to plan with."""
    REPORTED = "reported"
    """Only a running controller can know."""
    MISSING = "missing"
    """Nobody ever said it: what was declared is used."""


NEEDED = frozenset({Signal.DEMAND_RPS})
"""Without these nothing is optimized."""
ADVICE = {
    Signal.DEMAND_RPS: "without demand the optimizer holds: give the origin telemetry.loadReports, prometheus, envoy "
    "or cloudWatch, or let an agent POST /api/v1/telemetry",
    Signal.CAPACITY_RPS: "what is declared is used: export kube-state-metrics (exports: [kube]), or query capacity_rps",
    Signal.LATENCY_MS: "waiting is estimated from the declared throughput: query latency_ms, or export the receiving "
    "side (istio, linkerd, kuma, vllm)",
    Signal.ERROR_RATIO: "errors are seen by probes alone: query error_ratio, or name an exporter",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One signal at one place."""

    signal: Signal
    place: str
    """An origin for demand, else a cluster."""
    health: Health
    known: int
    expected: int
    age_s: float | None
    """Of the oldest of what is known."""
    missing: tuple[str, ...]
    """Services without it, some of them."""
    advice: str


MISSING_SHOWN = 5


def findings(fleet: Fleet, memory: Memory, at_s: float, age_max_s: float) -> list[Finding]:
    """Every signal at every place, from what the hygiene of telemetry remembers."""
    found = []
    for signal in FIELDS:
        table = fleet.flows if signal is Signal.DEMAND_RPS else fleet.backends
        places = fleet.origins.ids if signal is Signal.DEMAND_RPS else fleet.clusters.ids
        where: Ints = fleet.flows.origin if signal is Signal.DEMAND_RPS else fleet.backends.cluster
        never = np.full(len(table.service), -np.inf)
        taken_s: Floats = memory.taken_at_s.get(signal, never)
        for place, name in enumerate(places):
            rows = np.flatnonzero(where == place)
            if len(rows):
                services = [fleet.services.ids[s] for s in table.service[rows].tolist()]
                found.append(_finding(signal, name, services, at_s - taken_s[rows], age_max_s))
    return found


def _finding(signal: Signal, place: str, services: Sequence[str], ages_s: Floats, age_max_s: float) -> Finding:
    heard, fresh = np.isfinite(ages_s), ages_s <= age_max_s
    if fresh.all():
        health = Health.OK
    elif fresh.any():
        health = Health.PARTIAL
    else:
        health = Health.STALE if heard.any() else Health.MISSING
    without = tuple(service for service, known in zip(services, fresh.tolist(), strict=True) if not known)
    age_s = float(ages_s[heard].max()) if heard.any() else None
    advice = "" if health is Health.OK else ADVICE[signal]
    if health is Health.STALE:
        advice = "the source fell silent: see its last words below"
    return Finding(signal, place, health, int(fresh.sum()), len(services), age_s, without[:MISSING_SHOWN], advice)


def diagnosis(
    found: Iterable[Finding],
    failures: Mapping[str, str],
    rejections: Iterable[Rejection],
    prices: Iterable[Json] = (),
) -> Json:
    """As `equipoise doctor -o json` prints it."""
    rows = list(found)
    return {
        "format_version": 1,
        "healthy": not failures
        and all(row.health in {Health.OK, Health.REPORTED} for row in rows if row.signal in NEEDED),
        "signals": [
            {
                "signal": str(row.signal),
                "place": row.place,
                "health": str(row.health),
                "known": row.known,
                "expected": row.expected,
                "age_s": None if row.age_s is None else round(row.age_s, 1),
                "missing": list(row.missing),
                "advice": row.advice,
            }
            for row in rows
        ],
        "prices": list(prices),
        "sources": [{"source": source, "failure": words} for source, words in sorted(failures.items())],
        "rejections": [str(rejection) for rejection in rejections],
        "hint": HINT,
    }


async def examined(documents: Documents, wait_s: float) -> Json:
    """Ask every source that the documents name, twice where rates need it, `wait_s` apart."""
    configuration = loop_configuration(documents)
    asked = sources_of(documents)
    failures: dict[str, str] = {}
    try:
        await _collected(asked, failures)
        await asyncio.sleep(wait_s)
        batches = await _collected(asked, failures)
        prices = await prices_checked(documents, failures)
    finally:
        for one in asked:
            closing = one.close()
            if closing is not None:
                await closing
    at_s = asyncio.get_running_loop().time()
    _, memory, rejections = clean(
        configuration.declared, Memory.empty(), batches, configuration.fleet, at_s, HygieneLimits()
    )
    rows = findings(configuration.fleet, memory, at_s, configuration.policy.readings_age_max_s)
    reported = {origin.name for origin in documents.origins if origin.spec.telemetry.load_reports}
    seen = [_unseen(row) if row.place in reported else row for row in rows]
    return diagnosis(seen, failures, rejections.rows, prices)


def _unseen(row: Finding) -> Finding:
    """A finding about demand that only a running controller can make."""
    if row.signal is not Signal.DEMAND_RPS or row.health is not Health.MISSING:
        return row
    return replace(row, health=Health.REPORTED, advice=REPORTED)


async def _collected(asked: Sequence[Asked], failures: dict[str, str]) -> list[Batch]:
    """What all sources say now; the last words of those that do not answer."""

    async def one(source: Asked) -> tuple[Batch, ...]:
        try:
            found = await source.source.collect()
        except (Unavailable, Refused) as silence:
            failures[source.source.name] = str(silence)
            return ()
        failures.pop(source.source.name, None)
        return found

    return [batch for batches in await asyncio.gather(*map(one, asked)) for batch in batches]
