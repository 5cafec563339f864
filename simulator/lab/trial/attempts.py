"""What the gateways of a trial really did, out of their own logs, and when they gave up the faulty cluster."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from connectors.haproxy.spec import cluster_of
from simulator.lab.lines import Lines
from simulator.lab.trial.ground import FAULTY

HAPROXY_REQUEST = re.compile(r"<\d>(\S+) (-?\d+) (\S+) (\+?)(\d+) (-?\d+)")
"""Stamp at the end of the request, ms it took, server that had it last, `+` if another one had it before, ..."""
HAPROXY_DOWN = re.compile(r"<\d>(\S+) Server \S+/(\S+) is DOWN")


class Attempt(NamedTuple):
    """One request that a gateway sent on."""

    at_s: float
    """When it came in, on the machine's monotonic clock."""
    clusters: frozenset[str]
    """To whom it went; more than one where it was tried again."""


def envoy_attempt(line: str, offset_s: float, clusters: Mapping[int, str]) -> Attempt | None:
    """A line of an Envoy's upstream log; None for a request that never got as far as an address."""
    at, upstream, *_ = line.split()
    port = upstream.rpartition(":")[2]
    return Attempt(float(at) + offset_s, frozenset({clusters[int(port)]})) if port.isdigit() else None


def haproxy_attempt(line: str, offset_s: float, at: Mapping[str, str]) -> Attempt | None:
    """A line of an HAProxy's log; None for anything but a request that a server had.

    HAProxy names the last server alone. One that was handed on, or tried again, was at the faulty cluster before: it
    is the only one that fails. `at` has the cluster of a server that is not named after one.
    """
    match = HAPROXY_REQUEST.match(line)
    if match is None or match[3] == "<NOSRV>":
        return None
    stamp, took_ms, server, handed_on, retries, _ = match.groups()
    last = at.get(server, cluster_of(server))
    tried = {last, FAULTY} if handed_on or int(retries) else {last}
    return Attempt(datetime.fromisoformat(stamp).timestamp() + offset_s - int(took_ms) / 1e3, frozenset(tried))


def haproxy_down_s(line: str, offset_s: float) -> float | None:
    """When HAProxy's own check gave up the faulty cluster; None for any other line."""
    match = HAPROXY_DOWN.match(line)
    is_it = match is not None and cluster_of(match[2]) == FAULTY
    return datetime.fromisoformat(match[1]).timestamp() + offset_s if match and is_it else None


def envoy_ejection_s(line: str, offset_s: float, clusters: Mapping[int, str]) -> float | None:
    """When an Envoy put the faulty cluster aside, out of its event log; None for any other line."""
    event = json.loads(line)
    host = str(event.get("upstream_url", "")).rpartition(":")[2]
    if event.get("action") != "EJECT" or not host.isdigit() or clusters.get(int(host)) != FAULTY:
        return None
    return datetime.fromisoformat(str(event["timestamp"])).timestamp() + offset_s


class GatewayLog:
    """Attempts and detections of one gateway, read as its logs grow."""

    def __init__(
        self,
        attempts: Lines,
        attempt: Callable[[str, float], Attempt | None],
        events: Lines,
        event: Callable[[str, float], float | None],
    ) -> None:
        self._attempts, self._attempt, self._events, self._event = attempts, attempt, events, event
        self.attempts: list[Attempt] = []
        self.detections: list[float] = []
        """When the gateway itself gave up the faulty cluster."""

    def look(self) -> None:
        """Take in what is new."""
        seen = self._attempts.news()
        self.attempts += [found for line in seen if (found := self._attempt(line, self._attempts.offset_s))]
        told = seen if self._events is self._attempts else self._events.news()
        moments = (self._event(line, self._events.offset_s) for line in told)
        self.detections += [moment for moment in moments if moment is not None]
