"""The six instances, read in place: nothing here is computed that the tables do not say.

Letters: S services, C clusters, O origins, A applications, T steps of ten minutes.
"""

import csv
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from placement.columns import Floats, Ints

FLEETS = ("cpu", "gpu")
SEEDS = (0, 1, 2)
STEPS = 144
WINDOW = 12
"""Steps of a loss or a flash crowd: two hours."""
SITUATIONS = ("normal", "loss", "flash", "scarce", "price")

Row = dict[str, str]
Pairs = dict[tuple[str, str], float]


class DataAbsentError(Exception):
    """The tables are not on this machine."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One fleet and seed. Sites are (S, C) tables, 0 replicas where a service does not run."""

    fleet: str
    seed: int
    cluster: tuple[str, ...]
    origin: tuple[str, ...]
    app: Ints
    """(S,)"""
    kind: tuple[str, ...]
    """(S,) web, api or llm."""
    parent: Ints
    """(S,) -1 for the root of an application; parents stand before their children."""
    calls: Floats
    servers: Floats
    scv: Floats
    bytes: Floats
    latency_usd: Floats
    """(S,) $/(request ms)."""
    shed_usd: Floats
    """(S,) $ per request refused."""
    pool: tuple[tuple[str, ...], ...]
    """(S, C)"""
    replica_usd: Floats
    """(S, C) $/h of one replica."""
    service_ms: Floats
    replicas_max: Floats
    origin_rtt_ms: Floats
    """(O, C)"""
    cluster_rtt_ms: Floats
    """(C, C) row: who calls."""
    origin_egress_usd_per_gb: Floats
    """(2, O, C) of bytes sent to the origin, and from it."""
    cluster_egress_usd_per_gb: Floats
    """(2, C, C) of bytes sent to the cluster that calls (the row), and from it."""
    same_continent: Floats
    """(O + C, C) True where the source (origins first, then clusters) shares the continent of the cluster."""
    profile: Floats
    """(A, 24) demand multipliers by local hour."""
    mean_rps: Floats
    """(A, O)"""
    utc_offset_h: Floats
    """(O,)"""
    situation: Row

    @property
    def replica_rps(self) -> Floats:
        """(S, C) requests/s of one replica at full use; 0 where the service does not run."""
        with np.errstate(divide="ignore"):
            return np.where(self.replicas_max > 0, self.servers[:, None] * 1000 / self.service_ms, 0.0)

    @property
    def raw_rps(self) -> Floats:
        """(S, C) with all replicas."""
        return self.replica_rps * self.replicas_max

    @property
    def extra_ms(self) -> Floats:
        """(S, C) service time above the least of the service."""
        runs = self.service_ms > 0
        least = np.where(runs, self.service_ms, np.inf).min(axis=1, keepdims=True)
        return np.where(runs, self.service_ms - least, 0.0)

    def rtt_ms(self, service: int) -> Floats:
        """(O or C, C) round trips from the sources of a service."""
        return self.origin_rtt_ms if self.parent[service] < 0 else self.cluster_rtt_ms

    def egress_usd(self, service: int) -> Floats:
        """(O or C, C) $ per served call: the answer to the source and a tenth of it from there."""
        back, out = self.origin_egress_usd_per_gb if self.parent[service] < 0 else self.cluster_egress_usd_per_gb
        return np.asarray(self.bytes[service] * (back + 0.1 * out) / 1e9, dtype=np.float64)

    def in_situation(self, name: str) -> "Instance":
        """The same instance with what the situation changes about its sites."""
        if name == "scarce":
            hit = np.zeros(self.replicas_max.shape, dtype=bool)
            where = self.cluster.index(self.situation["scarce_cluster"])
            hit[:, where] = [row[where] == self.situation["scarce_pool"] for row in self.pool]
            return replace(self, replicas_max=np.where(hit, self.replicas_max / 2, self.replicas_max))
        if name == "price":
            dear = self.cluster.index(self.situation["dear_cluster"])
            return replace(
                self, replica_usd=self.replica_usd * np.where(np.arange(len(self.cluster)) == dear, 1.5, 1.0)
            )
        if name == "loss":
            lost = self.cluster.index(self.situation["lost_cluster"])
            return replace(self, replicas_max=np.where(np.arange(len(self.cluster)) == lost, 0.0, self.replicas_max))
        return self


def data_folder() -> Path:
    """Where the tables are: EQUIPOISE_DATA, else the data folder shared beside the repository.

    Raises DataAbsentError that says what to do.
    """
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("EQUIPOISE_DATA", beside)) / "benchmarks"
    if not (folder / "policy_fleets_sites.csv").is_file():
        raise DataAbsentError(
            f"no policy_fleets_*.csv in {folder}: set EQUIPOISE_DATA to the folder that has benchmarks/"
        )
    return folder


def load(fleet: str, seed: int) -> Instance:
    """One instance. Raises DataAbsentError."""
    folder = data_folder()

    def table(name: str) -> list[Row]:
        with (folder / f"policy_fleets_{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        mine = "fleet" in rows[0]
        return [r for r in rows if not mine or (r["fleet"], int(r["seed"])) == (fleet, seed)]

    places = table("places")
    clusters = [p for p in places if p[f"{fleet}_cluster"] == "1"]
    origins = [p for p in places if p["origin_weight"]]
    cluster, origin = (tuple(p["place"] for p in group) for group in (clusters, origins))
    services = table("services")
    app = np.array([int(s["app"]) for s in services])
    rtt, egress = _pairs(table("pairs"))
    sites = _sites(table("sites"), len(services), cluster)
    return Instance(
        fleet=fleet,
        seed=seed,
        cluster=cluster,
        origin=origin,
        app=app,
        kind=tuple(s["kind"] for s in services),
        parent=np.array([int(s["parent"] or -1) for s in services]),
        pool=sites[0],
        replica_usd=sites[1],
        service_ms=sites[2],
        replicas_max=sites[3],
        origin_rtt_ms=np.array([[rtt[o, c] for c in cluster] for o in origin]),
        cluster_rtt_ms=np.array([[rtt[o, c] for c in cluster] for o in cluster]),
        origin_egress_usd_per_gb=_both_ways(egress, origin, cluster),
        cluster_egress_usd_per_gb=_both_ways(egress, cluster, cluster),
        same_continent=np.array([[p["continent"] == c["continent"] for c in clusters] for p in origins + clusters]),
        profile=_profiles(table("profiles"), services, app),
        mean_rps=_demand(table("demand"), origin, int(app.max()) + 1),
        utc_offset_h=np.array([float(o["utc_offset_h"]) for o in origins]),
        situation=table("situations")[0],
        **{
            name: np.array([float(s[column]) for s in services])
            for name, column in (
                ("calls", "calls"),
                ("servers", "servers"),
                ("scv", "scv"),
                ("bytes", "bytes"),
                ("latency_usd", "latency_usd_per_req_ms"),
                ("shed_usd", "shed_usd_per_req"),
            )
        },
    )


def _both_ways(price: Pairs, source: tuple[str, ...], cluster: tuple[str, ...]) -> Floats:
    back = [[price[c, s] for c in cluster] for s in source]
    return np.array([back, [[price[s, c] for c in cluster] for s in source]])


def _pairs(rows: list[Row]) -> tuple[Pairs, Pairs]:
    """Round trip and egress price by (source, destination)."""
    rtt = {(r["src"], r["dst"]): float(r["rtt_ms"]) for r in rows}
    return rtt, {(r["src"], r["dst"]): float(r["egress_usd_per_gb"]) for r in rows}


def _sites(
    rows: list[Row], services: int, cluster: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], ...], Floats, Floats, Floats]:
    pool = [[""] * len(cluster) for _ in range(services)]
    usd, service_ms, replicas = (np.zeros((services, len(cluster))) for _ in range(3))
    for row in rows:
        at = int(row["service"]), cluster.index(row["cluster"])
        pool[at[0]][at[1]] = row["pool"]
        usd[at], service_ms[at], replicas[at] = (float(row[k]) for k in ("replica_usd_h", "service_ms", "max_replicas"))
    return tuple(tuple(row) for row in pool), usd, service_ms, replicas


def _profiles(rows: list[Row], services: list[Row], app: Ints) -> Floats:
    kind = {int(s["app"]): s["app_kind"] for s in services}
    return np.array([[float(r[kind[a]]) for r in rows] for a in range(int(app.max()) + 1)])


def _demand(rows: list[Row], origin: tuple[str, ...], apps: int) -> Floats:
    mean = np.zeros((apps, len(origin)))
    for row in rows:
        mean[int(row["app"]), origin.index(row["origin"])] = float(row["mean_rps"])
    return mean
