"""What each mesh made of its last table, in four verdicts, and what somebody else made of it."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from connectors.connector import Connector, Receipt
from connectors.drift import Drift, Drifting, words
from placement.fleet import OriginId
from scheduler.access.role import Role
from scheduler.api.route import Answer, Call, Json, Route, Shown
from scheduler.api.shapes import Number
from scheduler.splits import SplitMeter
from scheduler.state import State
from scheduler.straying import Witness, drifts_of
from scheduler.turn import Turn

VERDICTS = ("stored", "accepted", "programmed", "achieved")


class DriftShown(Shown):
    """A service whose weights somebody else changed."""

    service: str
    where: str
    """What holds the weights, in the mesh's own words."""
    written: str
    found: str
    who: str
    """Who changed it and when, as far as the mesh says."""


class MeshShown(Shown):
    """A mesh; a verdict is None while it is not known."""

    origin: str
    epoch: int | None
    version: int | None
    stored: bool | None
    accepted: bool | None
    programmed: bool | None
    achieved: bool | None
    split_error: Number
    """The most by which a measured share differs from its weight."""
    requests: int
    """Counted for that."""
    detail: str
    on_drift: str | None
    drifts: list[DriftShown]


class MeshesShown(Shown):
    """All of them."""

    format_version: int
    meshes: list[MeshShown]


class MeshesApi(Collector):
    """`GET /api/v1/meshes`, and the same as metrics."""

    def __init__(
        self, connectors: Mapping[OriginId, Connector], meter: SplitMeter, registry: CollectorRegistry
    ) -> None:
        self.connectors, self.meter, self.witness = connectors, meter, Witness()
        self._receipts: dict[OriginId, Receipt] = {}
        self._words: dict[OriginId, str] = {}
        registry.register(self)

    def routes(self) -> list[Route]:
        """What it answers."""
        words = "What each mesh made of its weights, in four verdicts, and what somebody else changed"
        return [Route("GET", "/api/v1/meshes", Role.VIEWER, "fleet", words, self.meshes, answers={200: MeshesShown})]

    def show(self, state: State, turn: Turn) -> None:
        """Take the result of a tick."""
        for origin, outcome in turn.outcomes.items():
            self._words[origin] = outcome.detail or (outcome.receipt.detail if outcome.receipt else "")
            if outcome.receipt is not None:
                self._receipts[origin] = outcome.receipt
        for origin, table in state.tables.items():
            if origin in self.connectors:
                outcome_at_s = turn.outcomes[origin].sent_at_s if origin in turn.outcomes else turn.at_s
                self.meter.written(table, outcome_at_s, self.connectors[origin].limits.settle_s)
        self.witness.tell(drifts_of(self.connectors))

    async def meshes(self, _: Call) -> Answer:
        """Every origin that has a mesh."""
        return Answer({"format_version": 1, "meshes": [self.row(origin) for origin in sorted(self.connectors)]})

    def row(self, origin: OriginId) -> Json:
        """One of them."""
        receipt, connector = self._receipts.get(origin), self.connectors[origin]
        error, requests = self.meter.worst(origin)
        drifts = connector.drifts if isinstance(connector, Drifting) else ()
        return {
            "origin": origin,
            "epoch": receipt.epoch if receipt else None,
            "version": receipt.version if receipt else None,
            **self._verdicts(origin),
            "split_error": None if math.isnan(error) else round(error, 4),
            "requests": requests,
            "detail": self._words.get(origin, ""),
            "on_drift": str(connector.on_drift) if isinstance(connector, Drifting) else None,
            "drifts": [_drift(drift) for drift in drifts],
        }

    def _verdicts(self, origin: OriginId) -> dict[str, bool | None]:
        """Of the last receipt; the split as it was measured, or as the receipt has it while nothing was."""
        receipt = self._receipts.get(origin)
        said = {name: getattr(receipt, name, None) for name in VERDICTS}
        measured = self.meter.verdict(origin)
        return said | ({"achieved": measured} if measured is not None else {})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The metrics, when Prometheus asks."""
        said = GaugeMetricFamily(
            "equipoise_mesh_verdict", "1 for yes, 0 for no; absent while unknown.", labels=["origin", "verdict"]
        )
        drifted = GaugeMetricFamily(
            "equipoise_mesh_drifts", "Services whose weights somebody else changed.", labels=["origin"]
        )
        drifts = Counter(drift.origin for drift in drifts_of(self.connectors))
        for origin in tuple(self.connectors):
            drifted.add_metric([origin], drifts[origin])
            for name, verdict in self._verdicts(origin).items():
                if verdict is not None:
                    said.add_metric([origin, name], verdict)
        yield from (said, drifted)


def _drift(drift: Drift) -> Json:
    found = "gone" if drift.found is None else words(drift.found)
    return {
        "service": drift.service,
        "where": drift.where,
        "written": words(drift.written),
        "found": found,
        "who": drift.who,
    }
