"""The rules of VPC Lattice services (API 2022-11-30)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import Field

from connectors.answers import Shape, Whole, side_by_side
from connectors.aws.api import AwsAccess, AwsApi, shaped
from connectors.aws.groups import Rule
from connectors.connector import MeshLimits
from placement.fleet import OriginId, ServiceId

LIMITS = MeshLimits(unit=999, weight_max=999, standby=False, shed=False, targets_max=10)
"""A rule forwards to 1 to 10 target groups, of weights 0..999."""


class RuleName(NamedTuple):
    """A rule by the service and the listener that it belongs to; ids or ARNs."""

    service: str
    listener: str
    rule: str


class _Group(Shape):
    identifier: str = Field(alias="targetGroupIdentifier")
    weight: Whole = 1


class _Forward(Shape):
    groups: list[_Group] = Field(alias="targetGroups", default_factory=list)


class _Action(Shape):
    forward: _Forward | None = None


class _Rule(Shape):
    arn: str
    action: _Action


class _Tags(Shape):
    tags: dict[str, str] = Field(default_factory=dict)


@dataclass(slots=True)
class LatticeRules:
    """Rules by their names. A connectors.aws.groups.RulesApi."""

    origin: OriginId
    access: AwsAccess
    rules: Mapping[ServiceId, RuleName]
    _api: AwsApi = field(init=False)
    _arns: dict[ServiceId, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._api = AwsApi("vpc-lattice", self.access, f"{self.origin}: {self.where}")

    @property
    def where(self) -> str:
        """For messages."""
        return f"VPC Lattice in {self.access.region}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    async def close(self) -> None:
        """Give up the connections."""
        await self._api.close()

    async def look(self) -> Mapping[ServiceId, Rule]:
        """The rules of our services, and their tags."""
        found = await side_by_side(self._one(service) for service in sorted(self.rules))
        return dict(zip(sorted(self.rules), found, strict=True))

    async def forward(self, service: ServiceId, weights: Mapping[str, int]) -> None:
        """Replace the action of the rule."""
        groups = [{"targetGroupIdentifier": group, "weight": weight} for group, weight in sorted(weights.items())]
        await self._api.call(
            "UpdateRule", f"rule {self.rules[service].rule}", **self._identifiers(service),
            action={"forward": {"targetGroups": groups}},
        )  # fmt: skip

    async def tag(self, service: ServiceId, tags: Mapping[str, str], gone: frozenset[str]) -> None:
        """Tags of the rule."""
        arn = self._arns[service]
        if tags:
            await self._api.call("TagResource", f"tags of {arn}", resourceArn=arn, tags=dict(tags))
        if gone:
            await self._api.call("UntagResource", f"tags of {arn}", resourceArn=arn, tagKeys=sorted(gone))

    async def _one(self, service: ServiceId) -> Rule:
        what = f"rule {self.rules[service].rule}"
        answer = await self._api.call("GetRule", what, **self._identifiers(service))
        rule: _Rule = shaped(_Rule, answer, f"{self.origin}: {self.where}, {what}")
        self._arns[service] = rule.arn
        tagged = await self._api.call("ListTagsForResource", f"tags of {rule.arn}", resourceArn=rule.arn)
        tags: _Tags = shaped(_Tags, tagged, f"{self.origin}: {self.where}, tags of {rule.arn}")
        groups = rule.action.forward.groups if rule.action.forward else []
        return Rule({group.identifier: group.weight for group in groups}, tags.tags)

    def _identifiers(self, service: ServiceId) -> dict[str, str]:
        name = self.rules[service]
        return {
            "serviceIdentifier": name.service, "listenerIdentifier": name.listener, "ruleIdentifier": name.rule,
        }  # fmt: skip
