"""What the probers can tell people: which vantage sees, which way to a backend broke, which certificate will expire."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from health.gray import KEPT, Gray
from health.quorum import sighted_vantages
from scheduler.access.role import Role
from scheduler.api.route import Answer, Call, Route, Shown
from scheduler.board import Board
from scheduler.controller import Controller
from scheduler.summary import Json

DAY_S = 86_400.0
CONTROLLER = "controller"


class Sights(Shown):
    """Vantages, broken ways, certificates, and what is not probed."""

    format_version: int
    vantages: list[Json]
    broken_ways: list[dict[str, str]]
    contradicted: list[str]
    gray: list[Json]
    certificates: list[Json]
    not_probed: dict[str, str]


class Outlook(Collector):
    """`GET /api/v1/vantages`, and the same as metrics."""

    def __init__(self, controller: Controller, board: Board) -> None:
        self.controller, self.board = controller, board

    def routes(self) -> list[Route]:
        """What it answers."""
        words = "Which vantage sees, which way to a backend broke, which certificate will expire"
        return [
            Route("GET", "/api/v1/vantages", Role.VIEWER, "probes", words, self.show, answers={200: Sights}),
        ]  # fmt: skip

    def measure(self, registry: CollectorRegistry) -> None:
        """The same as metrics."""
        registry.register(self)

    async def show(self, _: Call) -> Answer:
        """As it is now."""
        return Answer(
            {
                "format_version": 1,
                "vantages": self.vantages(),
                "broken_ways": self.broken_ways(),
                "contradicted": self.contradicted(),
                "gray": self.gray(),
                "certificates": [{"target": t, "days_left": round(d, 1)} for t, d in self.certificates()],
                "not_probed": dict(self.controller.prober.refused),
            }
        )

    def vantages(self) -> list[Json]:
        """Each with whether it is believed now."""
        watch, roster, now_s = self.controller.watch, self.controller.roster, self.controller.roster.now_s()
        sighted = sighted_vantages(watch.seen, watch.cluster, now_s, watch.rules).tolist()
        prober = self.controller.prober
        rows: list[Json] = [{"name": CONTROLLER, "sighted": sighted[0], "lag_s": round(prober.stalled_s, 4)}]
        rows += [
            {
                "name": seat.name,
                "sighted": sighted[seat.column],
                "silent_s": round(now_s - seat.heard_at_s, 3) if seat.accepted else None,
                "lag_s": round(seat.lag_s, 4),
                "accepted": seat.accepted,
                "refused": {str(reason): count for reason, count in seat.refused.items()},
            }
            for seat in roster.seats
        ]
        return rows

    def broken_ways(self) -> list[Json]:
        """Backends that most vantages do not reach by their gateway, by their endpoints, or by both."""
        fleet = self._fleet()
        return [{"backend": fleet(row), "broken": way} for row, way in self.controller.endpoints.broken().items()]

    def contradicted(self) -> list[str]:
        """Backends that are dead to the probes and fine to the clients."""
        turn, fleet = self.board.turn, self._fleet()
        return [fleet(row) for row in turn.verdicts.contradicted.nonzero()[0].tolist()] if turn else []

    def gray(self) -> list[Json]:
        """Backends of whose requests a part fails, and the part of their load that they keep."""
        turn, fleet = self.board.turn, self._fleet()
        if turn is None:
            return []
        steps = turn.verdicts.steps
        return [
            {"backend": fleet(row), "state": Gray(int(steps.state[row])).name, "keeps": float(KEPT[steps.taken[row]])}
            for row in steps.state.nonzero()[0].tolist()
        ]

    def certificates(self) -> Iterator[tuple[str, float]]:
        """(target, days left) of every certificate that was shown to any vantage; of several the first to expire:
        a gateway may have endpoints with different ones.
        """
        prober, roster = self.controller.prober, self.controller.roster
        first: dict[int, float] = {}
        for shown in (prober.expires_at_s(), *(seat.expires_at_s for seat in roster.seats)):
            for row, at_s in shown.items():
                first[row] = min(first.get(row, at_s), at_s)
        for row, at_s in sorted(first.items()):
            yield str(prober.targets[row]), (at_s - roster.now_s()) / DAY_S

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics."""
        sighted = GaugeMetricFamily("equipoise_vantage_sighted", "1 while it is believed.", labels=["vantage"])
        for row in self.vantages():
            sighted.add_metric([row["name"]], float(row["sighted"]))
        ways = GaugeMetricFamily(
            "equipoise_way_broken", "1 for a way to a backend that broke.", labels=["backend", "way"]
        )
        for row in self.broken_ways():
            ways.add_metric([row["backend"], row["broken"]], 1.0)
        doubted = GaugeMetricFamily(
            "equipoise_probe_contradicted", "1 where clients are fine and probes are not.", labels=["backend"]
        )
        for backend in self.contradicted():
            doubted.add_metric([backend], 1.0)
        kept = GaugeMetricFamily("equipoise_gray_kept_ratio", "Part of its load that it keeps.", labels=["backend"])
        for row in self.gray():
            kept.add_metric([row["backend"]], row["keeps"])
        days = GaugeMetricFamily("equipoise_certificate_days_left", "Until a certificate expires.", labels=["target"])
        for target, left in self.certificates():
            days.add_metric([target], left)
        yield from (sighted, ways, doubted, kept, days)

    def _fleet(self) -> Callable[[int], str]:
        current = self.controller.current
        assert current is not None, "documents were applied before anything is served"
        return current.fleet.backend_name
