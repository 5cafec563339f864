"""Weighted target groups: what the rules of an Application Load Balancer and of VPC Lattice have in common.

A service is a rule, a cluster is a target group. What was asked for stands in the tags of the rule. Neither API
compares before it writes, so we compare before and after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from connectors.answers import side_by_side
from connectors.connector import MeshLimits, Refused
from connectors.fenced import Changes, FencedConnector, Look, Row, Rows, Verdict, fitted
from connectors.record import joined, line_of, parts, table_of_line
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import Target, WeightTable

TAG = "equipoise:row:"
TAG_MAX = 250
"""Characters of a tag's value, of 256."""
TAGS_MAX = 40
"""Of a rule, of 50."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it stands."""

    weights: Mapping[str, int]
    """By target group."""
    tags: Mapping[str, str]


class RulesApi(Protocol):
    """The rules of one load balancer."""

    @property
    def where(self) -> str:
        """For messages."""

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""

    async def look(self) -> Mapping[ServiceId, Rule]:
        """The rules of our services."""

    async def forward(self, service: ServiceId, weights: Mapping[str, int]) -> None:
        """Forward to these target groups."""

    async def tag(self, service: ServiceId, tags: Mapping[str, str], gone: frozenset[str]) -> None:
        """Set these tags, and take others away."""

    async def close(self) -> None:
        """Give up the connections."""


@dataclass(slots=True)
class GroupsDialect:
    """How such rules are spoken to."""

    origin: OriginId
    groups: Mapping[tuple[ServiceId, ClusterId], str]
    """The target group of a service in a cluster."""
    api: RulesApi

    @property
    def where(self) -> str:
        """For messages."""
        return self.api.where

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return self.api.limits

    async def close(self) -> None:
        """Give up the connections."""
        await self.api.close()

    async def look(self) -> Look[Mapping[ServiceId, Rule]]:
        """Rules and their tags."""
        rules = await self.api.look()
        rows = {service: self._row_of(service, rule) for service, rule in rules.items()}
        lines = {service: _line(rule.tags) for service, rule in rules.items()}
        tables = [table_of_line(self.origin, s, line, self._named(f"tags of {s}")) for s, line in lines.items() if line]
        return Look(joined(tables), {s: row for s, row in rows.items() if row is not None}, rules)

    def row(self, service: ServiceId, targets: tuple[Target, ...], shed: int, unit: int) -> Row:
        """Weights within the API's range."""
        known = frozenset(cluster for owner, cluster in self.groups if owner == service)
        return fitted(self.limits, known, (targets, shed, unit), self._named(service))

    async def put(self, seen: Look[Mapping[ServiceId, Rule]], record: WeightTable | None, changes: Changes) -> None:
        """Tags first, so that a table half written shows as one that does not fit its record."""
        lines = {service: line_of(part) for service, part in parts(record).items()} if record is not None else {}
        missing = [service for service in {**lines, **changes} if service not in seen.state]
        if missing:
            raise Refused(f"{self._named(missing[0])}: it has no rule; create one and name it in the Origin")
        concerned = {*lines, *(s for s in changes if s in seen.state)}
        await side_by_side(self._tag(s, lines.get(s, ""), seen.state[s]) for s in sorted(concerned))
        await side_by_side(self._forward(s, row) for s, row in changes.items() if row is not None)

    async def verdict(self, now: Look[Mapping[ServiceId, Rule]], table: WeightTable, rows: Rows) -> Verdict:
        """The API has checked and stored them. It does not tell what the load balancers run with."""
        return Verdict(accepted=True)

    async def _tag(self, service: ServiceId, line: str, rule: Rule) -> None:
        tags = _tags(line, self._named(service))
        gone = frozenset(key for key in rule.tags if key.startswith(TAG) and key not in tags)
        if gone or any(rule.tags.get(key) != value for key, value in tags.items()):
            await self.api.tag(service, tags, gone)

    async def _forward(self, service: ServiceId, row: Row) -> None:
        weights = {self.groups[service, cluster]: weight for cluster, weight in row.weights.items()}
        await self.api.forward(service, weights)

    def _row_of(self, service: ServiceId, rule: Rule) -> Row | None:
        clusters = {group: cluster for (owner, cluster), group in self.groups.items() if owner == service}
        if not rule.weights or any(group not in clusters for group in rule.weights):
            return None
        return Row({clusters[group]: weight for group, weight in rule.weights.items() if weight})

    def _named(self, what: str) -> str:
        return f"{self.origin}: {self.where}, {what}"


def _tags(line: str, what: str) -> dict[str, str]:
    """A line in pieces that end between words, by tag."""
    pieces = [""]
    for word in line.split():
        if pieces[-1] and len(pieces[-1]) + 1 + len(word) > TAG_MAX:
            pieces.append("")
        pieces[-1] = f"{pieces[-1]} {word}".strip()
    if len(pieces) > TAGS_MAX:
        raise Refused(f"{what}: its row does not fit into {TAGS_MAX} tags")
    return {f"{TAG}{place}": piece for place, piece in enumerate(pieces) if piece}


def _line(tags: Mapping[str, str]) -> str:
    ours = {int(key.removeprefix(TAG)): value for key, value in tags.items() if _is_ours(key)}
    return " ".join(ours[place] for place in sorted(ours))


def _is_ours(key: str) -> bool:
    number = key.removeprefix(TAG)
    return key.startswith(TAG) and number.isascii() and number.isdigit() and len(number) < 4


def groups_connector(
    origin: OriginId, groups: Mapping[tuple[ServiceId, ClusterId], str], api: RulesApi
) -> FencedConnector[Mapping[ServiceId, Rule]]:
    """The connector of the rules of one load balancer."""
    return FencedConnector(GroupsDialect(origin, groups, api))
