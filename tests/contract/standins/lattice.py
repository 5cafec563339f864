"""VPC Lattice's rules and tags over REST-JSON, as far as the connector uses them; moto has no UpdateRule.

Checked as AWS does: a signature is there, 1 to 10 known target groups, weights of 0..999.
"""

import json
from typing import Any

from aiohttp import web

from tests.contract.standins.standin import StandIn

ARN = (
    "arn:aws:vpc-lattice:eu-west-1:123456789012:service/svc-0123456789abcdef0/listener/listener-0123456789abcdef0/rule/"
)
RULE = "rule-0123456789abcdef0"
"""The rule of a stand-in with one service."""


class Lattice(StandIn):
    """One service of Lattice with one listener, and a rule for each of our services."""

    def __init__(self, groups: dict[str, str], rules: tuple[str, ...] = (RULE,)) -> None:
        super().__init__()
        self.groups = groups
        """Cluster by the identifier of its target group."""
        self.rules: dict[str, dict[str, Any]] = {rule: {"fixedResponse": {"statusCode": 404}} for rule in rules}
        self.tags: dict[str, dict[str, str]] = {f"{ARN}{rule}": {} for rule in rules}
        one = "/services/svc-0123456789abcdef0/listeners/listener-0123456789abcdef0/rules/{rule}"
        self.app.add_routes([
            web.get(one, self._get), web.patch(one, self._patch), web.get("/tags/{arn:.+}", self._tags),
            web.post("/tags/{arn:.+}", self._tag), web.delete("/tags/{arn:.+}", self._untag),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the first rule."""
        listed = next(iter(self.rules.values())).get("forward", {}).get("targetGroups", [])
        return {self.groups[each["targetGroupIdentifier"]]: each["weight"] for each in listed}, []

    async def _get(self, request: web.Request) -> web.Response:
        return self._unsigned(request) or self._shown(request.match_info["rule"])

    def _shown(self, rule: str) -> web.Response:
        return web.json_response({"arn": f"{ARN}{rule}", "id": rule, "action": self.rules[rule]})

    async def _patch(self, request: web.Request) -> web.Response:
        if no := self._unsigned(request):
            return no
        action = json.loads(await request.read())["action"]
        listed = action["forward"]["targetGroups"]
        unknown = [each for each in listed if each["targetGroupIdentifier"] not in self.groups]
        if unknown or not 1 <= len(listed) <= 10 or any(not 0 <= each["weight"] <= 999 for each in listed):
            return _exception("ValidationException", f"target groups are not valid: {json.dumps(unknown or listed)}")
        self.rules[request.match_info["rule"]] = action
        return self._shown(request.match_info["rule"])

    async def _tags(self, request: web.Request) -> web.Response:
        return self._unsigned(request) or web.json_response({"tags": self.tags[request.match_info["arn"]]})

    async def _tag(self, request: web.Request) -> web.Response:
        tags = json.loads(await request.read())["tags"]
        if any(len(value) > 256 for value in tags.values()):
            return _exception("ValidationException", "a tag is too long")
        self.tags[request.match_info["arn"]] |= tags
        return web.json_response({})

    async def _untag(self, request: web.Request) -> web.Response:
        for key in request.query.getall("tagKeys", []):
            self.tags[request.match_info["arn"]].pop(key, None)
        return web.json_response({})

    @staticmethod
    def _unsigned(request: web.Request) -> web.Response | None:
        scope = "/eu-west-1/vpc-lattice/aws4_request"
        signed = request.headers.get("authorization", "")
        if signed.startswith("AWS4-HMAC-SHA256 ") and scope in signed:
            return None
        return _exception("AccessDeniedException", "the request is not signed for this service", 403)


def _exception(code: str, message: str, status: int = 400) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": code})
