"""One step of traffic: down the call graph to loads, and up again to what users got."""

from dataclasses import dataclass

import numpy as np

from placement.columns import Floats
from simulator.physics.layout import Entries, Layout, total
from simulator.physics.queues import flow_through, timely, waiting_ms


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a step finds: capacities, errors, paths."""

    capacity_rps: Floats
    """(B + 1,) at which nothing more is served."""
    rated_rps: Floats
    """(B + 1,) that is served within its objective."""
    error_ratio: Floats
    """(B + 1,) 1 where nothing answers."""
    slow_ms: Floats
    """(B + 1,)"""
    path_ok: Floats
    """(N,) part that passes, gateways included."""
    path_ms: Floats
    """(N,) added round trip."""
    backlog: Floats
    """(B + 1,) requests that wait."""
    queue_s: float
    step_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Passage:
    """What a step did."""

    arrived_rps: Floats
    """(F,) with calls and retries."""
    sent_rps: Floats
    """(N,)"""
    load_rps: Floats
    """(B + 1,)"""
    served: Floats
    """(B + 1,) part of the load."""
    backlog: Floats
    """(B + 1,) after the step."""
    backend_ms: Floats
    """(B + 1,) time in the back end itself."""
    backend_ok: Floats
    """(B + 1,) part of requests that it answers well."""
    ok: Floats
    """(N,) part of the requests of an entry that ends well and in time."""
    latency_ms: Floats
    """(N,) mean, to the end of everything that the request causes."""
    utilization: Floats
    """(B + 1,) load over rated capacity; 0 where there is none."""


def traverse(
    layout: Layout, entries: Entries, first_rps: Floats, again_rps: Floats, again: Floats, now: Conditions
) -> Passage:
    """Send (F,) first attempts by the shares and (F,) further ones by `again` (N,), and follow what they cause."""
    flows, backends = len(layout.fleet.flows), len(layout.fleet.backends)
    called, admitted = np.zeros(flows), 1 - entries.shed
    for _ in range(layout.depth + 1):
        sent = (first_rps + called)[entries.row] * entries.share + (again_rps * admitted)[entries.row] * again
        load = total(entries.backend, sent * now.path_ok, backends + 1)
        served, backlog, wait_s = flow_through(load, now.capacity_rps, now.backlog, now.queue_s, now.step_s)
        through = load * served
        called = total(layout.call_flow, layout.call_rate * through[layout.call_backend], flows)
    busy = np.divide(load, now.capacity_rps, out=np.zeros_like(load), where=now.capacity_rps > 0)
    stable_ms = waiting_ms(busy, layout.service_ms, layout.slots, layout.variability)
    own_ms = layout.service_ms + now.slow_ms + stable_ms + 1e3 * wait_s
    good = served * (1 - now.error_ratio)
    ok, latency = _upwards(layout, entries, good, own_ms, now)
    arrived = first_rps + called + again_rps
    used = np.divide(load, now.rated_rps, out=np.zeros_like(load), where=now.rated_rps > 0)
    return Passage(arrived, sent, load, served, backlog, own_ms, good, ok, latency, used)


def _upwards(layout: Layout, entries: Entries, good: Floats, own_ms: Floats, now: Conditions) -> tuple[Floats, Floats]:
    """(N,) ok and latency, from the leaves of the call graph to its roots. Calls of a request go one after another."""
    flows, backends = len(layout.fleet.flows), len(layout.fleet.backends)
    below_fail, below_ms = np.zeros(backends + 1), np.zeros(backends + 1)
    ok = latency = np.zeros(0)
    for _ in range(layout.depth + 1):
        latency = entries.rtt_ms + now.path_ms + (own_ms + below_ms)[entries.backend]
        ok = now.path_ok * (good * (1 - below_fail))[entries.backend] * timely(latency, now.timeout_s)
        well = total(entries.row, entries.share * ok, flows)
        mean = total(entries.row, entries.share * ok * latency, flows) / np.maximum(well, 1e-12)
        fails = layout.call_rate * (1 - well)[layout.call_flow]
        below_fail = np.minimum(total(layout.call_backend, fails, backends + 1), 1.0)
        below_ms = total(layout.call_backend, layout.call_rate * mean[layout.call_flow], backends + 1)
    return ok, latency
