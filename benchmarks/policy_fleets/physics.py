"""The fluid model of the study: what any shares cost, whoever made them.

Shares are dense, one (N, sources, C) array per service: what a source sends where, with what is missing to 1 refused.
Sources of a root are origins, of any other service clusters.
"""

from dataclasses import dataclass, field, fields

import numpy as np

from benchmarks.policy_fleets.instances import Instance
from placement.columns import Floats

UTILIZATION_MAX = 0.98
UTILIZATION_TARGET = 0.65
HOT = 0.9
EDGES = np.logspace(np.log10(0.5), 5, 701)
"""Of the latency bins in ms."""


@dataclass(frozen=True, slots=True)
class Sites:
    """(N, C) of one service."""

    served_rps: Floats
    """(N, C)"""
    fraction: Floats
    """(N, C) of what was routed there that is served."""
    compute_usd: Floats
    """(N, C) $/h"""
    wait_ms: Floats
    hot_rps: Floats


@dataclass(slots=True)
class Outcome:
    """Weighted over the slots of a window. Money in $/day, load in rps."""

    compute_usd: float = 0.0
    egress_usd: float = 0.0
    latency_usd: float = 0.0
    shed_usd: float = 0.0
    shed_rps: float = 0.0
    requests_rps: float = 0.0
    calls_rps: float = 0.0
    hot_rps: float = 0.0
    worst_utilization: float = 0.0
    moved_rps: float = 0.0
    latency_ms_rps: float = 0.0
    bins: dict[str, Floats] = field(default_factory=lambda: {k: np.zeros(len(EDGES) + 1) for k in ("web", "llm")})

    @property
    def dollars(self) -> float:
        """$/day that somebody bills."""
        return self.compute_usd + self.egress_usd

    @property
    def objective(self) -> float:
        """$/day of everything."""
        return self.dollars + self.latency_usd + self.shed_usd

    @property
    def shed(self) -> float:
        """Refused calls of all hops over user requests."""
        return self.shed_rps / self.requests_rps

    @property
    def mean_ms(self) -> float:
        """Over served user requests."""
        return self.latency_ms_rps / sum(float(b.sum()) for b in self.bins.values())

    def percentile_ms(self, quantile: float, *kinds: str) -> float:
        """Upper edge of the bin that holds the quantile, over applications of some kinds (all: none named)."""
        total = np.sum([self.bins[k] for k in kinds or self.bins], axis=0)
        return float(np.append(EDGES, np.inf)[np.searchsorted(np.cumsum(total), quantile * total.sum())])


SUMMED = tuple(f.name for f in fields(Outcome) if f.name not in {"worst_utilization", "bins"})


def together(parts: list[Outcome]) -> Outcome:
    """The outcome of a window from those of its parts, whose weights sum to 1 over all of them."""
    whole = Outcome()
    for part in parts:
        for name in SUMMED:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        whole.worst_utilization = max(whole.worst_utilization, part.worst_utilization)
        whole.bins = {kind: whole.bins[kind] + part.bins[kind] for kind in whole.bins}
    return whole


def waiting_ms(utilization: Floats, service_ms: Floats, scv: float, servers: float) -> Floats:
    """Mean wait of M/M/c after Sakasegawa (1977), with a variability factor."""
    power = np.sqrt(2 * (servers + 1)) - 1
    scale = service_ms * (1 + scv) / 2
    return np.asarray(scale * utilization**power / (servers * (1 - utilization)), dtype=np.float64)


def site_cost(instance: Instance, service: int, routed_rps: Floats) -> Sites:
    """What (N, C) routed load makes the sites of a service do."""
    mu, replicas = instance.replica_rps[service], instance.replicas_max[service]
    raw = mu * replicas
    served = np.minimum(routed_rps, UTILIZATION_MAX * raw)
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.where(mu > 0, served / (UTILIZATION_TARGET * mu), 0.0)
        running = np.clip(wanted, np.minimum(1.0, replicas), replicas)
        used = np.where(running > 0, served / (mu * running), 0.0)
        used = np.minimum(np.where(np.isfinite(used), used, 0.0), UTILIZATION_MAX)
        fraction = np.where(routed_rps > 0, served / routed_rps, np.where(raw > 0, 1.0, 0.0))
    wait = waiting_ms(
        used, instance.service_ms[service], float(instance.scv[service]), float(instance.servers[service])
    )
    hot = np.where(routed_rps > HOT * raw, served, 0.0)
    return Sites(served, fraction, instance.replica_usd[service] * running, wait, hot)


def play(instance: Instance, weight: Floats, demand_rps: Floats, shares: list[Floats]) -> Outcome:
    """Follow (N, A, O) demand through the shares of every service and add everything up."""
    out = Outcome()
    reach: list[Floats] = []
    hops: list[Floats] = []
    served_at: list[Floats] = []
    sent: list[Floats] = []
    day = 24 * weight
    for s in range(len(instance.app)):
        parent = instance.parent[s]
        source = demand_rps[:, instance.app[s]] if parent < 0 else served_at[parent] * instance.calls[s]
        routed = source[:, :, None] * shares[s]
        sites = site_cost(instance, s, routed.sum(axis=1))
        flow = routed * sites.fraction[:, None, :]
        hop = instance.rtt_ms(s) + (sites.wait_ms + instance.extra_ms[s])[:, None, :]
        refused = source.sum(axis=1) - flow.sum(axis=(1, 2))
        out.compute_usd += float(day @ sites.compute_usd.sum(axis=1))
        out.egress_usd += float(day @ (flow * instance.egress_usd(s)).sum(axis=(1, 2)) * 3600)
        out.latency_usd += float(day @ (flow * hop).sum(axis=(1, 2)) * 3600 * instance.latency_usd[s])
        out.shed_usd += float(day @ refused * 3600 * instance.shed_usd[s])
        out.shed_rps += float(weight @ refused)
        out.calls_rps += float(weight @ sites.served_rps.sum(axis=1))
        out.hot_rps += float(weight @ sites.hot_rps.sum(axis=1))
        raw = instance.raw_rps[s]
        out.worst_utilization = max(
            out.worst_utilization, float((sites.served_rps[:, raw > 0] / raw[raw > 0]).max(initial=0.0))
        )
        moved = 0.5 * np.abs(np.diff(shares[s], axis=0)).sum(axis=2)
        out.moved_rps += float((weight[1:, None] * moved * source[1:]).sum())
        served_at.append(sites.served_rps)
        sent.append(flow)
        hops.append(hop)
        reach.append(shares[s] * sites.fraction[:, None, :])
    out.requests_rps = float(weight @ demand_rps.sum(axis=(1, 2)))
    _user_latency(instance, weight, out, reach, hops, sent)
    return out


def _user_latency(
    instance: Instance, weight: Floats, out: Outcome, reach: list[Floats], hops: list[Floats], sent: list[Floats]
) -> None:
    """Expected end-to-end latency of every (application, origin, root cluster), into bins."""
    below = [np.zeros((len(weight), len(instance.cluster))) for _ in instance.app]
    for s in reversed(range(len(instance.app))):
        through = hops[s] + below[s][:, None, :]
        parent = instance.parent[s]
        if parent >= 0:
            total = reach[s].sum(axis=2)
            mean = (reach[s] * through).sum(axis=2) / np.where(total > 0, total, 1.0)
            below[parent] += instance.calls[s] * mean
            continue
        traffic = weight[:, None, None] * sent[s]
        llm = any(k == "llm" for k, a in zip(instance.kind, instance.app, strict=True) if a == instance.app[s])
        bins = out.bins["llm" if llm else "web"]
        bins += np.bincount(np.searchsorted(EDGES, through.ravel()), weights=traffic.ravel(), minlength=len(bins))
        out.latency_ms_rps += float((traffic * through).sum())
