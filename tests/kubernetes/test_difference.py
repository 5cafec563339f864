"""The stand-in and a real API server, asked the same, answer the same; where EQUIPOISE_KUBECONFIG names one."""

import os
from collections.abc import AsyncIterator

import pytest

from connectors.kubernetes.admission import fence_policy
from connectors.kubernetes.gateway import HTTP_ROUTE
from connectors.kubernetes.marks import EPOCH, VERSION
from connectors.kubernetes.rbac import ROLE, ROLE_BINDING
from tests.contract.harness import eventually
from tests.kubernetes.clusters import KUBECONFIG, cluster, standing_in
from tests.kubernetes.definitions import definitions_of
from tests.kubernetes.program import (
    EAST,
    LOOK,
    MAPS,
    MERGE,
    PROGRAM,
    ROUTES,
    SHOP,
    Player,
    Step,
    applied,
    map_of,
    route,
)

REFERENCE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "few"}
GROUP = "gateway.networking.k8s.io"


@pytest.fixture
async def both() -> AsyncIterator[tuple[Player, Player]]:
    """(stand-in, real server)."""
    if not os.environ.get(KUBECONFIG):
        pytest.skip(f"no API server to compare with: {KUBECONFIG} names none")
    async with cluster() as real, standing_in() as ours:
        for server in (real, ours):
            await server.install(definitions_of(GROUP))
        players = Player(ours), Player(real)
        yield players
        for player in players:
            await player.http.aclose()


@pytest.mark.parametrize("name", sorted(PROGRAM))
async def test_stand_in_when_asked_the_same_answers_as_a_real_server(name: str, both: tuple[Player, Player]) -> None:
    for step in PROGRAM[name]:
        ours, theirs = [await player.play(step) for player in both]
        assert ours == theirs, step


async def test_watch_of_the_stand_in_tells_what_that_of_a_real_server_does(both: tuple[Player, Player]) -> None:
    ours, theirs = [await _watched(player) for player in both]

    assert ours == theirs


async def _watched(player: Player) -> list[object]:
    """What a watch by label tells of objects that come, change, lose and regain the label, and go."""
    listed = (await player.http.get(player.filled(MAPS), extensions=player.more)).json()
    mine, lost = {"labels": {"watched": "yes"}}, {"labels": {"watched": "no"}}
    for step in (
        Step("POST", MAPS, map_of("a", mine, x="1")), Step("POST", MAPS, map_of("b", x="1")),
        Step("PATCH", f"{MAPS}/a", {"data": {"x": "2"}}, MERGE), Step("PATCH", f"{MAPS}/a", {"metadata": lost}, MERGE),
        Step("PATCH", f"{MAPS}/a", {"metadata": mine}, MERGE), Step("PATCH", f"{MAPS}/b", {"metadata": mine}, MERGE),
        Step("DELETE", f"{MAPS}/a", whole=False), Step("POST", MAPS, map_of("end", mine)),
    ):  # fmt: skip
        await player.play(step)
    version = listed["metadata"]["resourceVersion"]
    query = f"watch=1&labelSelector=watched%3Dyes&timeoutSeconds=20&resourceVersion={version}"
    return await player.watched(f"{MAPS}?{query}", "end")


async def test_watch_from_the_beginning_of_time_is_told_410_by_both(both: tuple[Player, Player]) -> None:
    for player in both:
        await player.play(applied(route(EAST)))
    assert both[0].stand_in is not None
    both[0].stand_in.store.forget()

    query = "watch=1&timeoutSeconds=5&resourceVersion=1"
    ours, theirs = [await player.watched(f"{ROUTES}?{query}", "nobody") for player in both]

    assert ours == theirs
    assert "too old resource version" in str(ours)


async def test_policy_of_the_fence_denies_the_same_in_the_same_words(both: tuple[Player, Player]) -> None:
    for player in both:
        await player.cluster.grant(fence_policy("difference", [HTTP_ROUTE]))
        await eventually(lambda player=player: _denied(player), "the policy counts")

    for fence in ((9, 8), (8, 9), (9, 9), (9, 10), (10, 1), (9, 99)):
        ours, theirs = [await player.play(fenced(*fence, more="&force=true", whole=False)) for player in both]
        assert ours == theirs, fence
    for meta in ({"annotations": {EPOCH: "x", VERSION: "1"}}, {"annotations": {EPOCH: "1"}}, {}):
        ours, theirs = [await player.play(applied(route(EAST, meta=meta), whole=False)) for player in both]
        assert ours == theirs, meta
    await both[1].cluster.revoke(fence_policy("difference", [HTTP_ROUTE]))


def fenced(epoch: int, version: int, more: str = "", whole: bool = True) -> Step:
    """A route under a fence."""
    return applied(route(EAST, meta={"annotations": {EPOCH: str(epoch), VERSION: str(version)}}), "one", more, whole)


async def _denied(player: Player) -> bool:
    await player.play(fenced(9, 9, "&force=true"))
    return (await player.play(fenced(9, 8, "&dryRun=All"))).get("code") is not None


async def test_account_without_rights_is_forbidden_in_the_same_words(both: tuple[Player, Player]) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["a"]}]
    lesser = []
    for player in both:
        await player.play(Step("POST", "/api/v1/namespaces/{namespace}/serviceaccounts", account, whole=False))
        await player.play(Step("POST", MAPS, map_of("a")))
        role = ROLE.blank(player.namespace, "few", rules=rules)
        subject = {"kind": "ServiceAccount", "name": "nobody", "namespace": player.namespace}
        binding = ROLE_BINDING.blank(player.namespace, "few", subjects=[subject], roleRef=REFERENCE)
        await player.cluster.grant([(ROLE, role), (ROLE_BINDING, binding)])
        lesser.append(Player(player.cluster, await player.cluster.access_as("nobody")))

    for step in (
        Step("GET", MAPS), Step("GET", f"{MAPS}/b"), Step("GET", f"{MAPS}/a"), LOOK, Step("GET", f"{ROUTES}?watch=1"),
        Step("GET", "/api/v1/configmaps"), Step("POST", MAPS, map_of("c")), applied(route(EAST)),
        Step("PATCH", f"{SHOP}/status", {"status": {}}, MERGE), Step("DELETE", f"{MAPS}/a"),
    ):  # fmt: skip
        ours, theirs = [await player.play(step) for player in lesser]
        assert ours == theirs, step
    for player in lesser:
        await player.http.aclose()
