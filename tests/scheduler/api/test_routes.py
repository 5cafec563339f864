"""Every route by every role, from the document itself; and what people can do with the API of a running loop."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from cli.main import app
from scheduler.access.role import HELD, Role
from scheduler.access.tokens import sha256_of
from scheduler.api.audit import revoked_in
from scheduler.ledger import Ledger
from tests.scheduler.api.front import TOKENS, Running, access_of, performed, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
FILLERS = {"name": "nobody", "turn": "1.1", "cluster": "dublin", "service": "shop", "id": "x-1"}


LEAVER = "eqp_leaver-token-0123456789abcdef"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    access = access_of(TOKENS)
    leaver = {"name": "the-leaver", "role": "viewer", "sha256": sha256_of(LEAVER)}
    async with performed(
        tmp_path_factory.mktemp("front"), access=access | {"tokens": [*access["tokens"], leaver]}
    ) as found:
        yield found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path with something in its parts, operation) of all that is documented."""
    found = []
    for path, methods in document["paths"].items():
        filled = path.format(**FILLERS)
        found += [(method.upper(), filled, operation) for method, operation in methods.items()]
    return found


async def test_every_route_by_every_role_is_allowed_exactly_as_the_document_says(running: Running) -> None:
    _, document = await running.ask("GET", "/openapi.json")
    wrong, asked = [], 0
    for method, path, operation in operations(document):
        if "text/event-stream" in str(operation["responses"].get("200")):
            continue
        for shown in (None, *Role):
            body = {"json": {"unheard-of": 1}} if "requestBody" in operation else {}
            async with running.session.request(
                method,
                running.url + path,
                headers={"Authorization": f"Bearer {TOKENS[shown]}"} if shown else {},
                **body,
            ) as answer:
                status = answer.status
            asked += 1
            needed = operation["x-role"]
            allowed = needed == "anybody" or (shown is not None and Role(needed) in HELD[shown])
            own_token = "/vantage/" in path  # a vantage has to be one of the policy's, whatever its role
            expected = status not in {401, 403} or own_token if allowed else status == (403 if shown else 401)
            if not expected or str(status) not in operation["responses"]:
                wrong.append(f"{method} {path} as {shown}: {status}")
    assert not wrong
    assert asked > 150


async def test_unknown_token_and_unknown_path_are_problem_documents(running: Running) -> None:
    headers = {"Authorization": "Bearer eqp_nobody-knows-this-one"}
    refused, said = await running.ask("GET", "/api/v1/plan", headers=headers)
    missing, where = await running.ask("GET", "/api/v1/plans", "viewer")
    wrong, what = await running.ask("PATCH", "/api/v1/plan", "viewer")

    assert (refused, missing, wrong) == (401, 404, 405)
    assert {"type", "title", "status", "detail"} == said.keys() == where.keys() == what.keys()


async def test_override_is_used_by_the_loop_changed_with_its_etag_and_ended(running: Running) -> None:
    async def load() -> float:
        _, body = await running.ask("GET", "/api/v1/clusters/frankfurt", "viewer")
        return float(body["load_rps"])

    await until(lambda: _positive(load), "frankfurt carries something")
    asked = {"kind": "limit", "cluster": "frankfurt", "ratio": 0, "lasts_s": 3600, "reason": "kernel upgrade"}
    status, made = await running.ask("POST", "/api/v1/overrides", "operator", json=asked)
    one = f"/api/v1/overrides/{made['id']}"

    async def drained() -> bool:
        return await load() < 1.0

    await until(drained, "frankfurt is drained")
    _, plan = await running.ask("GET", "/api/v1/plan", "viewer")
    change = {"ratio": 0.5, "lasts_s": 600, "reason": "half of it is back"}
    unseen, _ = await running.ask("PUT", one, "operator", json=change)
    outdated, _ = await running.ask("PUT", one, "operator", json=change, headers={"If-Match": '"o-1.7"'})
    async with running.session.get(
        running.url + one, headers={"Authorization": f"Bearer {TOKENS['viewer']}"}
    ) as answer:
        seen = answer.headers["ETag"]
    again, _ = await running.ask("GET", one, "viewer", headers={"If-None-Match": seen})
    changed, now = await running.ask("PUT", one, "operator", json=change, headers={"If-Match": seen})
    ended, _ = await running.ask("DELETE", one, "operator")
    gone, _ = await running.ask("GET", one, "viewer")
    _, kept = await running.ask("GET", "/api/v1/overrides?ended=true", "viewer")

    assert (status, made["by"], made["in_force"]) == (201, "the-operator", True)
    assert any("kernel upgrade" in words for words in plan["overrides"])
    assert sum(f["demand_rps"] * f["shares"].get("SHED", 0.0) for f in plan["flows"]) < 0.1, "and nobody is refused"
    assert (unseen, outdated, again, changed, ended, gone) == (428, 412, 304, 200, 200, 404)
    assert (now["ratio"], now["revision"]) == (0.5, 2)
    assert [o["in_force"] for o in kept["items"]] == [False]


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"kind": "limit", "lasts_s": 600, "reason": "x"}, 409, "a limit needs a cluster"),
        ({"kind": "limit", "cluster": "mars", "lasts_s": 600, "reason": "x"}, 409, "no cluster 'mars'"),
        ({"kind": "hold", "service": "shop", "lasts_s": 600}, 422, "reason"),
        ({"kind": "hold", "service": "shop", "lasts_s": 1e9, "reason": "x"}, 422, "lasts_s"),
    ],
)
async def test_override_that_cannot_be_says_why(running: Running, asked: Any, status: int, words: str) -> None:
    got, answer = await running.ask("POST", "/api/v1/overrides", "operator", json=asked)

    assert got == status
    assert words in answer["detail"]


async def test_stream_of_turns_resumes_where_a_reader_stopped(running: Running) -> None:
    async def heard(last: str, count: int) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {TOKENS['viewer']}"} | ({"Last-Event-ID": last} if last else {})
        found: list[dict[str, Any]] = []
        async with running.session.get(running.url + "/api/v1/turns/stream", headers=headers) as answer:
            assert answer.content_type == "text/event-stream"
            async for line in answer.content:
                if line.startswith(b"data: "):
                    found.append(json.loads(line[6:]))
                if len(found) == count:
                    break
        return found

    first = await asyncio.wait_for(heard("", 3), 30)
    rest = await asyncio.wait_for(heard(first[0]["key"], 4), 30)

    assert [b["turn"] for b in rest[:2]] == [first[1]["turn"], first[2]["turn"]], "what was missed comes first"
    assert [b["turn"] for b in rest] == list(range(first[1]["turn"], first[1]["turn"] + 4))


async def test_turns_are_paged_and_one_shows_its_weights_before_and_after(running: Running) -> None:
    async def several() -> bool:
        return (await running.ask("GET", "/api/v1/turns?moved=true&limit=2", "viewer"))[1]["next"] is not None

    await until(several, "there is a second page")
    _, page = await running.ask("GET", "/api/v1/turns?moved=true&limit=2", "viewer")
    _, rest = await running.ask("GET", f"/api/v1/turns?moved=true&limit=2&cursor={page['next']}", "viewer")
    moved = [t for t in (*page["items"], *rest["items"]) if t["reason"] == "solved"]
    status, turn = await running.ask("GET", f"/api/v1/turns/{moved[0]['key']}", "viewer")

    assert status == 200
    assert not {t["key"] for t in page["items"]} & {t["key"] for t in rest["items"]}
    assert turn["weights"] or turn["first"]
    assert all(abs(w["after"] - w["before"] - w["delta"]) < 1e-5 for w in turn["weights"])


async def test_rollback_goes_back_to_known_good_weights_and_freezes_there(running: Running) -> None:
    async def good() -> list[Any]:
        _, body = await running.ask("GET", "/api/v1/good", "viewer")
        return list(body["items"])

    await until(good, "something is known good")
    wanted = {"good": (await good())[-1]["id"], "reason": "errors in the shop"}

    async def ordered() -> bool:  # not while a drill of the calendar moves something
        status, _ = await running.ask("POST", "/api/v1/rollback", "operator", json=wanted)
        assert status in {202, 409}
        return status == 202

    async def back() -> bool:
        _, page = await running.ask("GET", "/api/v1/turns?limit=20", "viewer")
        return any(t["reason"] == "rollback" and "errors in the shop" in t["detail"] for t in page["items"])

    await until(ordered, "it is ordered")
    await until(back, "the loop went back")
    _, mode = await running.ask("GET", "/api/v1/freeze", "viewer")
    outdated, _ = await running.ask("DELETE", "/api/v1/freeze", "operator", headers={"If-Match": '"auto"'})
    thawed, _ = await running.ask("DELETE", "/api/v1/freeze", "operator", headers={"If-Match": '"frozen"'})

    assert (mode["mode"], outdated, thawed) == ("frozen", 412, 200)


async def test_telemetry_of_an_agent_reaches_hygiene_and_bad_samples_are_named(running: Running) -> None:
    column = {"signal": "latency_ms", "keys": [["shop", "dublin"], ["shop", "mars"]], "value": [12.5, 3.0]}
    taken, body = await running.ask("POST", "/api/v1/telemetry", "agent", json={"columns": [column]})
    uneven = {"signal": "latency_ms", "keys": [["shop", "dublin"]], "value": [1.0, 2.0]}
    refused, why = await running.ask("POST", "/api/v1/telemetry", "agent", json={"columns": [uneven]})
    large = {"signal": "latency_ms", "keys": [["x" * 60, "y" * 60]] * 49_999, "value": [1.0] * 49_999}
    whole = io.BytesIO(json.dumps({"columns": [large]}).encode())
    as_json = {"Content-Type": "application/json"}
    too_large, _ = await running.ask("POST", "/api/v1/telemetry", "agent", data=whole, headers=as_json)

    async def named() -> bool:
        async with running.session.get(
            running.url + "/metrics", headers={"Authorization": f"Bearer {TOKENS['viewer']}"}
        ) as answer:
            text = await answer.text()
        return 'source="agent:the-agent"' in text and 'reason="unknown"' in text

    await until(named, "the unknown key is counted")
    assert (taken, body, refused, too_large) == (202, {"samples": 2}, 422, 413)
    assert "1 keys and 2 values" in why["detail"]


async def test_every_change_is_in_the_audit_and_the_chains_are_whole(running: Running) -> None:
    await running.ask("POST", "/api/v1/freeze", "operator", json={"reason": "lunch"})
    await running.ask("DELETE", "/api/v1/freeze", "operator")
    _, page = await running.ask("GET", "/api/v1/audit?limit=2", "operator")
    status, whole = await running.ask("POST", "/api/v1/audit/verify", "admin")

    assert [(e["who"], e["action"]) for e in page["items"]] == [
        ("the-operator", "DELETE /api/v1/freeze"), ("the-operator", "POST /api/v1/freeze"),
    ]  # fmt: skip
    assert page["items"][1]["detail"] == {"scope": "frozen", "reason": "lunch"}
    assert status == 200
    assert whole["audit"] >= 2


async def test_token_list_on_the_command_line_shows_who_has_access_to_an_admin_alone(running: Running) -> None:
    def listed(role: str) -> Result:
        environment = {"EQUIPOISE_TOKEN": TOKENS[role]}
        return CliRunner().invoke(app, ["token", "list", "--server", running.url, "-o", "json"], env=environment)

    shown, refused = await asyncio.to_thread(listed, "admin"), await asyncio.to_thread(listed, "operator")
    said = shown.stdout  # with lines of the controller's log, which is in this process, before and after
    known = json.JSONDecoder().raw_decode(said[said.index("{\n") :])[0]["known"]

    assert shown.exit_code == 0
    wanted = {(f"the-{r}", r, "token") for r in TOKENS} | {("the-leaver", "viewer", "token")}
    assert {(one["name"], one["role"], one["how"]) for one in known} == wanted
    assert all(one.keys() == {"name", "role", "how", "expires", "revoked"} for one in known), "and no hash"
    assert refused.exit_code == 1
    assert "the-operator is operator; this needs admin" in refused.stderr


async def test_token_that_is_revoked_is_worth_nothing_at_once_and_for_controllers_that_follow(running: Running) -> None:
    def say(role: str, name: str) -> Result:
        words = ["token", "revoke", name, "--reason", "laptop lost", "--server", running.url]
        return CliRunner().invoke(app, words, env={"EQUIPOISE_TOKEN": TOKENS[role]})

    leaver = {"Authorization": f"Bearer {LEAVER}"}
    before, _ = await running.ask("GET", "/api/v1/plan", headers=leaver)
    denied, unknown = (
        await asyncio.to_thread(say, "operator", "the-leaver"),
        await asyncio.to_thread(say, "admin", "bob"),
    )
    done = await asyncio.to_thread(say, "admin", "the-leaver")
    after, _ = await running.ask("GET", "/api/v1/plan", headers=leaver)
    _, access = await running.ask("GET", "/api/v1/access", "admin")
    _, page = await running.ask("GET", "/api/v1/audit?limit=1", "operator")
    ledger = Ledger(f"sqlite:///{running.folder}/ledger.db")

    assert (before, after) == (200, 401)
    assert (denied.exit_code, unknown.exit_code, done.exit_code) == (1, 1, 0)
    assert "no token is called 'bob'" in unknown.stderr
    assert {one["name"] for one in access["known"] if one["revoked"]} == {"the-leaver"}
    assert page["items"][0]["who"] == "the-admin"
    assert page["items"][0]["detail"] == {"revoked": "the-leaver", "reason": "laptop lost"}
    assert await revoked_in(ledger) == {sha256_of(sha256_of(LEAVER))}
    ledger.close()


async def test_cost_report_adds_up_the_turns_of_the_ledger(running: Running) -> None:
    _, body = await running.ask("GET", "/api/v1/reports/cost?hours=1", "viewer")

    parts = sum(v for name, v in body["usd"].items() if name not in {"billed", "total"})
    assert body["usd"]["total"] == pytest.approx(parts, rel=1e-3)
    assert body["covered_hours"] > 0
    assert body["series"][-1]["total"] == pytest.approx(body["usd_per_hour_now"]["total"])


async def test_secrets_are_in_no_answer_no_ledger_and_no_report(running: Running, capfd: Any) -> None:
    _, document = await running.ask("GET", "/openapi.json")
    said = [json.dumps(document)]
    for method, path, operation in operations(document):
        if method == "GET" and "text/event-stream" not in str(operation["responses"].get("200")):
            async with running.session.get(
                running.url + path,
                headers={"Authorization": f"Bearer {TOKENS['admin']}"},
                params={"token": TOKENS["agent"]},
            ) as answer:
                said.append(await answer.text())
    await running.ask("POST", "/api/v1/freeze", "operator", data=json.dumps({"reason": 1, "x": TOKENS["admin"]}))
    log = "".join(capfd.readouterr())
    ledger = b"".join(path.read_bytes() for path in running.folder.glob("ledger.db*"))
    hashes = [known["sha256"] for known in access_of(TOKENS)["tokens"]]

    for secret in (*TOKENS.values(), *hashes):
        assert secret not in "".join(said)
        assert secret not in log
        assert secret.encode() not in ledger


async def test_audit_that_was_tampered_with_is_found(tmp_path: Path) -> None:
    from sqlalchemy import text

    from scheduler.audit import AuditLedger
    from scheduler.ports import LedgerDown

    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.open()
    audit = AuditLedger(ledger)
    for number in range(3):
        await audit.note("ann", "POST /api/v1/freeze", {"number": number})
    assert await audit.verify() == 3

    def tamper(session: Any) -> None:
        session.execute(text("update audit set body = replace(body, 'ann', 'bob') where id = 2"))

    await ledger.transact(tamper)
    with pytest.raises(LedgerDown, match="breaks at row 2"):
        await audit.verify()
    ledger.close()


async def _positive(value: Any) -> bool:
    return float(await value()) > 0
