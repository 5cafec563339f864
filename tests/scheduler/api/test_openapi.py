"""The API against its own document: whatever is sent, every answer is one that it promises."""

import asyncio
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.scheduler.api.front import TOKENS, access_of, performed

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EACH = 6
LEFT_OUT = ("/api/v1/turns/stream",)
"""It never ends."""


def answered_as_documented(url: str) -> dict[str, int]:
    """Ask every operation with generated requests; how often each was asked. Raises what does not conform."""
    asked: dict[str, int] = {}
    for result in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        operation = result.ok()
        if operation.path in LEFT_OUT:
            continue

        @settings(
            max_examples=EACH, deadline=None, derandomize=True, database=None, phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            role = "agent" if case.operation.definition.raw["x-role"] == "agent" else "admin"
            asked[case.operation.label] = asked.get(case.operation.label, 0) + 1
            answer = case.call(headers={"Authorization": f"Bearer {TOKENS[role]}"}, timeout=30)
            case.validate_response(answer, checks=CHECKS)

        ask()
    return asked


async def test_every_operation_under_schemathesis_answers_as_its_document_says(tmp_path: Path) -> None:
    async with performed(tmp_path, access=access_of(TOKENS)) as running:
        asked = await asyncio.to_thread(answered_as_documented, running.url)

    assert len(asked) >= 40
    assert sum(asked.values()) >= 100
