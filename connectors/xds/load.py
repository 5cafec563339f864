"""Load reports as telemetry: what an origin's proxies sent where, with no metrics system in between."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from connectors.rehearsal import Tally
from connectors.telemetry import Batch, Signal, Witness
from connectors.xds.names import is_rehearsal, service_of
from connectors.xds.serving import Serving
from connectors.xds.spec import MeshSpec
from placement.columns import floats
from placement.fleet import ClusterId, ServiceId

STREAMS_MAX = 4_096
"""Most streams whose reports are kept between two looks; those of further ones are left out."""


class Load(NamedTuple):
    """What one report says of one upstream: counts over a time that the proxy measured itself."""

    upstream: str
    seconds: float
    dropped: int
    by_cluster: tuple[tuple[ClusterId, int, int, int], ...]
    """(cluster, issued, succeeded, failed); issued counts attempts, so a retried request counts again."""
    named: tuple[tuple[ClusterId, tuple[tuple[str, int, float], ...]], ...] = ()
    """(cluster, (name, requests that carried it, sum of its values)) of ORCA metrics, where servers say some."""


def loads_of(report: Any) -> Iterator[Load]:
    """The rows of an envoy.service.load_stats.v3.LoadStatsRequest that say over which time they count."""
    for stats in report.cluster_stats:
        seconds = stats.load_report_interval.ToNanoseconds() / 1e9
        rows = tuple(
            (
                ClusterId(p.locality.sub_zone),
                p.total_issued_requests,
                p.total_successful_requests,
                p.total_error_requests,
            )
            for p in stats.upstream_locality_stats
        )
        if seconds > 0:
            named = tuple(
                (ClusterId(p.locality.sub_zone), tuple(_named(m) for m in p.load_metric_stats))
                for p in stats.upstream_locality_stats
                if p.load_metric_stats
            )
            yield Load(stats.cluster_name, seconds, stats.total_dropped_requests, rows, named)


def _named(stats: Any) -> tuple[str, int, float]:
    return stats.metric_name, stats.num_requests_finished_with_metric, stats.total_metric_value


class LoadReports:
    """The load reports of one origin, a connectors.telemetry.TelemetrySource.

    Between two looks the reports of one proxy are averaged over the time they cover, and those of several proxies add
    up. What reports name that the address book does not is left out, so that memory has a bound.
    """

    def __init__(
        self, spec: MeshSpec, now_s: Callable[[], float], interval_s: float = 1.0, witness: Witness | None = None
    ) -> None:
        self.interval_s = interval_s
        """How often a proxy is asked to report."""
        self._now_s, self._witness = now_s, witness
        self._ended: dict[tuple[ServiceId, bool], tuple[int, int]] = {}
        self.serving = Serving(now_s)
        """What model servers say of themselves."""
        self.replace_spec(spec)
        self._start_window()

    @property
    def name(self) -> str:
        """`lrs:<origin>`."""
        return f"lrs:{self._origin}"

    def replace_spec(self, spec: MeshSpec) -> None:
        """Take another address book."""
        self._origin = spec.origin
        self._clusters = {service: tuple(known) for service, known in spec.addresses().items()}

    def take(self, stream: Hashable, report: Any) -> None:
        """Take in one LoadStatsRequest from the proxy behind `stream`."""
        if stream not in self._streams and len(self._streams) >= STREAMS_MAX:
            return
        self._streams.add(stream)
        self._at_s = self._now_s()
        loads = [load for load in loads_of(report) if service_of(load.upstream) in self._clusters]
        for load in loads:
            self._add(stream, load)
        if self._witness and loads:
            seen = [
                (service_of(load.upstream), cluster, succeeded, failed)
                for load in loads
                for cluster, _, succeeded, failed in load.by_cluster
                if cluster in self._clusters[service_of(load.upstream)]
            ]
            self._witness(seen, self._at_s - max(load.seconds for load in loads), self._at_s)

    async def collect(self) -> tuple[Batch, ...]:
        """Demand, what was sent where, and errors since the last call; nothing where no report came."""
        demand: dict[tuple[ServiceId, str], float] = defaultdict(float)
        sent: dict[tuple[ServiceId, str, ClusterId], float] = defaultdict(float)
        for (stream, upstream), seconds in self._seconds.items():
            service = service_of(upstream)
            demand[service, self._origin] += self._dropped[stream, upstream] / seconds
            for cluster in self._clusters.get(service, ()):  # a cluster without load was sent 0, which is news
                rate_rps = self._issued[stream, upstream, cluster] / seconds
                sent[service, self._origin, cluster] += rate_rps
                demand[service, self._origin] += rate_rps
        errors = {key: self._failed[key] / finished for key, finished in self._finished.items() if finished}
        at_s = self._at_s
        self._start_window()
        found = ((Signal.DEMAND_RPS, demand), (Signal.SENT_RPS, sent), (Signal.ERROR_RATIO, errors))
        return tuple(
            Batch(signal, self.name, at_s, tuple(values), floats(list(values.values())))
            for signal, values in found
            if values
        )

    def tally(self, services: Iterable[ServiceId]) -> Tally:
        """Requests of some services that ended so far, by rehearsed and by regular weights."""
        found = [(self._ended.get((s, True), (0, 0)), self._ended.get((s, False), (0, 0))) for s in services]
        return sum((Tally(*rehearsed, *regular) for rehearsed, regular in found), Tally())

    def _add(self, stream: Hashable, load: Load) -> None:
        service = service_of(load.upstream)
        self._seconds[stream, load.upstream] += load.seconds
        self._dropped[stream, load.upstream] += load.dropped
        for cluster, issued, succeeded, failed in load.by_cluster:
            if cluster in self._clusters[service]:
                self._issued[stream, load.upstream, cluster] += issued
                self._finished[service, cluster] += succeeded + failed
                self._failed[service, cluster] += failed
                key = service, is_rehearsal(load.upstream)
                ended, bad = self._ended.get(key, (0, 0))
                self._ended[key] = ended + succeeded + failed, bad + failed
        issued_at = {cluster: issued for cluster, issued, _, _ in load.by_cluster}
        for cluster, said in load.named:
            if cluster in self._clusters[service]:
                self.serving.add((service, cluster), issued_at.get(cluster, 0), said)

    def _start_window(self) -> None:
        self._at_s = self._now_s()
        self._streams: set[Hashable] = set()
        self._seconds: dict[tuple[Hashable, str], float] = defaultdict(float)
        self._dropped: dict[tuple[Hashable, str], int] = defaultdict(int)
        self._issued: dict[tuple[Hashable, str, ClusterId], int] = defaultdict(int)
        self._finished: dict[tuple[ServiceId, ClusterId], int] = defaultdict(int)
        self._failed: dict[tuple[ServiceId, ClusterId], int] = defaultdict(int)
