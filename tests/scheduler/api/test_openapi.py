"""The API against its own document: whatever is sent, every answer is one that it promises."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.scheduler.api.front import TOKENS, Running, access_of, performed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EACH = 4
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with performed(tmp_path_factory.mktemp("openapi"), access=access_of(TOKENS)) as found:
        yield found


async def made(running: Running) -> dict[str, str]:
    """Something of each kind that has a name, by the place of the name in a path."""
    orders = {
        "simulations": {"events": [], "minutes": 0.1},
        "overrides": {"kind": "limit", "cluster": "frankfurt", "ratio": 0, "lasts_s": 600, "reason": "kernels"},
    }
    names = {"cluster": "dublin", "service": "shop"}

    for noun, body in orders.items():

        async def begun(noun: str = noun, body: dict[str, Any] = body) -> bool:
            status, answer = await running.ask("POST", f"/api/v1/{noun}", "operator", json=body)
            names[noun] = str(answer.get("id", ""))
            return status in {201, 202}

        await until(begun, f"one of {noun} is there")

    async def moved() -> bool:
        _, page = await running.ask("GET", "/api/v1/turns?moved=true", "viewer")
        names["turn"] = page["items"][0]["key"] if page["items"] else ""
        return bool(page["items"])

    async def drilled() -> bool:
        _, page = await running.ask("GET", "/api/v1/drills", "viewer")
        names["drills"] = page["drills"][0]["id"] if page["drills"] else ""
        return bool(page["drills"])

    await until(moved, "a turn has moved something")
    await until(drilled, "a drill was held")
    return names


async def test_every_answer_about_what_is_there_has_the_shape_that_the_document_says(running: Running) -> None:
    names = await made(running)

    async def played() -> bool:
        _, run = await running.ask("GET", f"/api/v1/simulations/{names['simulations']}", "viewer")
        assert run["error"] == ""
        return bool(run["phase"] == "done")

    await until(played, "the run is over")
    _, document = await running.ask("GET", "/openapi.json")
    checked, wrong = 0, []
    for path, methods in document["paths"].items():
        schema = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json")
        if schema is None or "/vantage/" in path:
            continue
        filled = path.format(**names, id=names.get(path.split("/")[3] if path.count("/") > 3 else "", ""))
        asked = {"/api/v1/explain": "?flow=shop"}.get(path, "")
        status, body = await running.ask("GET", filled + asked, "admin")
        check = Draft202012Validator(schema["schema"] | {"components": document["components"]})
        wrong += [f"{filled}: {status} {e.json_path} {e.message[:200]}" for e in check.iter_errors(body)]
        wrong += [f"{filled}: {status} {body}"[:300]] if status not in {200, 503} else []
        checked += status == 200
    assert not wrong
    assert checked >= 25


async def test_every_operation_under_schemathesis_answers_as_its_document_says(running: Running) -> None:
    asked = await asyncio.to_thread(answered_as_documented, running.url)

    assert len(asked) >= 40
    assert sum(asked.values()) >= 100
