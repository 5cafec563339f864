"""The rules of an Application Load Balancer, by the ELB API (2015-12-01)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from connectors.answers import Shape, Whole, side_by_side
from connectors.aws.api import AwsAccess, AwsApi, shaped
from connectors.aws.groups import Rule
from connectors.connector import MeshLimits
from placement.fleet import OriginId, ServiceId

LIMITS = MeshLimits(unit=999, weight_max=999, standby=False, shed=False, targets_max=5)
"""A rule forwards to at most 5 target groups, of weights 0..999."""
TAGS_AT_ONCE = 20
RULES_AT_ONCE = 50


class _Group(Shape):
    arn: str = Field(alias="TargetGroupArn")
    weight: Whole = Field(alias="Weight", default=1)


class _Forward(Shape):
    groups: list[_Group] = Field(alias="TargetGroups", default_factory=list)


class _Action(Shape):
    kind: str = Field(alias="Type")
    forward: _Forward | None = Field(alias="ForwardConfig", default=None)
    group: str | None = Field(alias="TargetGroupArn", default=None)


class _Rule(Shape):
    arn: str = Field(alias="RuleArn")
    actions: list[_Action] = Field(alias="Actions", default_factory=list)


class _Rules(Shape):
    rules: list[_Rule] = Field(alias="Rules", default_factory=list)


class _Tag(Shape):
    key: str = Field(alias="Key")
    value: str = Field(alias="Value", default="")


class _Tagged(Shape):
    arn: str = Field(alias="ResourceArn")
    tags: list[_Tag] = Field(alias="Tags", default_factory=list)


class _AllTags(Shape):
    described: list[_Tagged] = Field(alias="TagDescriptions", default_factory=list)


@dataclass(slots=True)
class AlbRules:
    """Rules by their ARNs. A connectors.aws.groups.RulesApi."""

    origin: OriginId
    access: AwsAccess
    rules: Mapping[ServiceId, str]
    """The ARN of the rule of each service."""
    _api: AwsApi = field(init=False)
    _raw: dict[str, list[dict[str, Any]]] = field(default_factory=dict, repr=False)
    """The actions of each rule as they stand, for what we do not change in them."""

    def __post_init__(self) -> None:
        self._api = AwsApi("elbv2", self.access, f"{self.origin}: {self.where}")

    @property
    def where(self) -> str:
        """For messages."""
        return f"ALB in {self.access.region}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return LIMITS

    async def close(self) -> None:
        """Give up the connections."""
        await self._api.close()

    async def look(self) -> Mapping[ServiceId, Rule]:
        """The rules of our services, and their tags."""
        arns = sorted(set(self.rules.values()))
        rules = await side_by_side(self._described(part) for part in _pieces(arns, RULES_AT_ONCE))
        tags = await side_by_side(self._tags(part) for part in _pieces(arns, TAGS_AT_ONCE))
        known = {arn: weights for part in rules for arn, weights in part.items()}
        tagged = {arn: found for part in tags for arn, found in part.items()}
        return {s: Rule(known[arn], tagged.get(arn, {})) for s, arn in self.rules.items() if arn in known}

    async def forward(self, service: ServiceId, weights: Mapping[str, int]) -> None:
        """Change the weights of the forward action; its stickiness and the actions before it stay."""
        arn, groups = self.rules[service], [{"TargetGroupArn": g, "Weight": w} for g, w in sorted(weights.items())]
        actions = [dict(action) for action in self._raw.get(arn, []) if action.get("Type") != "forward"]
        forwards = [action for action in self._raw.get(arn, []) if action.get("Type") == "forward"]
        before: dict[str, Any] = forwards[0] if forwards else {"Type": "forward"}
        kept = {key: value for key, value in before.items() if key != "TargetGroupArn"}
        config = {**(before.get("ForwardConfig") or {}), "TargetGroups": groups}
        actions.append({**kept, "ForwardConfig": config})
        await self._api.call("ModifyRule", f"rule {arn}", RuleArn=arn, Actions=actions)

    async def tag(self, service: ServiceId, tags: Mapping[str, str], gone: frozenset[str]) -> None:
        """Tags of the rule."""
        arn = self.rules[service]
        if tags:
            listed = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
            await self._api.call("AddTags", f"tags of {arn}", ResourceArns=[arn], Tags=listed)
        if gone:
            await self._api.call("RemoveTags", f"tags of {arn}", ResourceArns=[arn], TagKeys=sorted(gone))

    async def _described(self, arns: list[str]) -> dict[str, dict[str, int]]:
        answer = await self._api.call("DescribeRules", "rules", RuleArns=arns)
        found: _Rules = shaped(_Rules, answer, f"{self.origin}: {self.where}, rules")
        for raw in answer.get("Rules", []):
            self._raw[raw["RuleArn"]] = raw.get("Actions", [])
        return {rule.arn: _weights(rule) for rule in found.rules}

    async def _tags(self, arns: list[str]) -> dict[str, dict[str, str]]:
        answer = await self._api.call("DescribeTags", "tags", ResourceArns=arns)
        found: _AllTags = shaped(_AllTags, answer, f"{self.origin}: {self.where}, tags")
        return {each.arn: {tag.key: tag.value for tag in each.tags} for each in found.described}


def _weights(rule: _Rule) -> dict[str, int]:
    forward = next((action for action in rule.actions if action.kind == "forward"), None)
    if forward is None:
        return {}
    if forward.forward and forward.forward.groups:
        return {group.arn: group.weight for group in forward.forward.groups}
    return {forward.group: 1} if forward.group else {}


def _pieces(items: list[str], size: int) -> list[list[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
