"""VPC Lattice's rules and tags over REST-JSON, as far as the connector uses them; moto has no UpdateRule.

Checked as AWS does: a signature is there, 1 to 10 known target groups, weights of 0..999.
"""

import json
from typing import Any

from aiohttp import web

from tests.contract.standins.standin import StandIn

ARN = (
    "arn:aws:vpc-lattice:eu-west-1:123456789012:service/svc-0123456789abcdef0"
    "/listener/listener-0123456789abcdef0/rule/rule-0123456789abcdef0"
)


class Lattice(StandIn):
    """One service with one listener and one rule."""

    def __init__(self, groups: dict[str, str]) -> None:
        super().__init__()
        self.groups = groups
        """Cluster by the identifier of its target group."""
        self.rule: dict[str, Any] = {"fixedResponse": {"statusCode": 404}}
        self.tags: dict[str, str] = {}
        one = "/services/svc-0123456789abcdef0/listeners/listener-0123456789abcdef0/rules/rule-0123456789abcdef0"
        self.app.add_routes([
            web.get(one, self._get), web.patch(one, self._patch), web.get("/tags/{arn:.+}", self._tags),
            web.post("/tags/{arn:.+}", self._tag), web.delete("/tags/{arn:.+}", self._untag),
        ])  # fmt: skip

    def legs(self, service: str) -> tuple[dict[str, int], list[str]]:
        """By the rule."""
        listed = self.rule.get("forward", {}).get("targetGroups", [])
        return {self.groups[each["targetGroupIdentifier"]]: each["weight"] for each in listed}, []

    async def _get(self, request: web.Request) -> web.Response:
        return self._unsigned(request) or web.json_response(
            {"arn": ARN, "id": "rule-0123456789abcdef0", "action": self.rule}
        )

    async def _patch(self, request: web.Request) -> web.Response:
        if no := self._unsigned(request):
            return no
        action = json.loads(await request.read())["action"]
        listed = action["forward"]["targetGroups"]
        unknown = [each for each in listed if each["targetGroupIdentifier"] not in self.groups]
        if unknown or not 1 <= len(listed) <= 10 or any(not 0 <= each["weight"] <= 999 for each in listed):
            return _exception("ValidationException", f"target groups are not valid: {json.dumps(unknown or listed)}")
        self.rule = action
        return web.json_response({"arn": ARN, "id": "rule-0123456789abcdef0", "action": action})

    async def _tags(self, request: web.Request) -> web.Response:
        return self._unsigned(request) or web.json_response({"tags": self.tags})

    async def _tag(self, request: web.Request) -> web.Response:
        tags = json.loads(await request.read())["tags"]
        if any(len(value) > 256 for value in tags.values()):
            return _exception("ValidationException", "a tag is too long")
        self.tags |= tags
        return web.json_response({})

    async def _untag(self, request: web.Request) -> web.Response:
        for key in request.query.getall("tagKeys", []):
            self.tags.pop(key, None)
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
