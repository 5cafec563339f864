"""What the stand-in promises to do as a Kubernetes API server does; the same tests run before a real one."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from connectors.connector import Refused
from connectors.kubernetes.admission import fence_policy
from connectors.kubernetes.answers import Conflicted, Expired, Forbidden, Invalid, Missing
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.gateway import HTTP_ROUTE
from connectors.kubernetes.marks import fence_marks
from connectors.kubernetes.mirror import followed
from connectors.kubernetes.resource import CONFIG_MAP, Manifest, Resource, entries, mapping, text
from tests.contract.harness import eventually, table
from tests.contract.harness_kubernetes import kubernetes
from tests.kubernetes.clusters import Cluster, cluster
from tests.kubernetes.definitions import definitions_of
from tests.kubernetes.secured import secured

DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")


@pytest.fixture
async def served() -> AsyncIterator[Cluster]:
    """A server that knows HTTPRoutes."""
    async with cluster() as found:
        await found.install(definitions_of("gateway.networking.k8s.io"))
        yield found


def route(served: Cluster, *backends: dict[str, Any], **more: Any) -> Manifest:
    """An HTTPRoute in the namespace of the test."""
    spec = {"parentRefs": [{"name": "shared"}], "rules": [{"backendRefs": list(backends)}]} | more
    return HTTP_ROUTE.blank(served.namespace, "shop", spec=spec)


def other(served: Cluster, name: str) -> KubernetesApi:
    """The same administrator under another field manager."""
    return KubernetesApi("test", lambda: served.admin_access, name)


EAST = {"name": "east", "port": 80, "weight": 90}
WEST = {"name": "west", "port": 80, "weight": 10}


async def test_apply_fills_in_the_defaults_of_the_schema(served: Cluster) -> None:
    live = await served.admin.apply(route(served, {"name": "east", "port": 80}), HTTP_ROUTE)

    rule = entries(live, "spec", "rules")[0]
    assert entries(rule, "matches") == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert entries(rule, "backendRefs") == [{"group": "", "kind": "Service", "name": "east", "port": 80, "weight": 1}]
    assert entries(live, "spec", "parentRefs")[0]["kind"] == "Gateway"


@pytest.mark.parametrize("weight", [2_000_000, -1, "90"])
async def test_apply_of_a_weight_that_is_none_is_invalid(served: Cluster, weight: Any) -> None:
    with pytest.raises(Invalid, match="weight"):
        await served.admin.apply(route(served, EAST | {"weight": weight}), HTTP_ROUTE)


async def test_apply_of_an_unknown_field_is_refused_and_named(served: Cluster) -> None:
    with pytest.raises(Invalid, match="wait"):
        await served.admin.apply(route(served, EAST | {"wait": 1}), HTTP_ROUTE)


async def test_apply_over_the_field_of_another_manager_names_it_and_takes_it_only_by_force(served: Cluster) -> None:
    theirs = other(served, "argo-rollouts")
    await theirs.apply(route(served, EAST, WEST), HTTP_ROUTE)
    mine = route(served, EAST, WEST | {"weight": 50})

    with pytest.raises(Conflicted, match=r"2 conflicts[^$]*spec\.rules") as conflict:
        await served.admin.apply(mine, HTTP_ROUTE)
    taken = await served.admin.apply(mine, HTTP_ROUTE, force=True)

    assert conflict.value.managers == ("argo-rollouts",)
    assert entries(entries(taken, "spec", "rules")[0], "backendRefs")[1]["weight"] == 50
    with pytest.raises(Conflicted) as back:
        await theirs.apply(route(served, EAST, WEST), HTTP_ROUTE)
    assert back.value.managers == ("test-admin",)
    await theirs.close()


async def test_apply_without_a_field_that_was_ours_removes_it_and_leaves_those_of_others(served: Cluster) -> None:
    theirs = other(served, "team")
    await served.admin.apply(route(served, EAST, hostnames=["a.example"]), HTTP_ROUTE)
    noted = HTTP_ROUTE.blank(served.namespace, "shop")
    noted["metadata"]["annotations"] = {"team": "shop"}
    await theirs.apply(noted, HTTP_ROUTE)

    live = await served.admin.apply(route(served, EAST), HTTP_ROUTE)

    assert "hostnames" not in live["spec"]
    assert mapping(live, "metadata", "annotations") == {"team": "shop"}
    await theirs.close()


async def test_apply_of_the_same_again_changes_neither_version_nor_generation(served: Cluster) -> None:
    first = await served.admin.apply(route(served, EAST), HTTP_ROUTE)
    again = await served.admin.apply(route(served, EAST), HTTP_ROUTE)

    assert [again["metadata"][key] for key in ("resourceVersion", "generation")] == [
        first["metadata"][key] for key in ("resourceVersion", "generation")
    ]


async def test_apply_dry_says_what_would_be_and_changes_nothing(served: Cluster) -> None:
    would = await served.admin.apply(route(served, EAST), HTTP_ROUTE, dry_run=True)

    assert entries(entries(would, "spec", "rules")[0], "backendRefs")[0]["kind"] == "Service"
    assert await served.admin.find(HTTP_ROUTE, served.namespace, "shop") is None


async def test_apply_from_a_version_that_is_not_the_newest_is_a_conflict(served: Cluster) -> None:
    first = await served.admin.apply(route(served, EAST), HTTP_ROUTE)
    await served.admin.apply(route(served, EAST, WEST), HTTP_ROUTE)
    stale = route(served, WEST)
    stale["metadata"]["resourceVersion"] = first["metadata"]["resourceVersion"]

    with pytest.raises(Conflicted, match="modified"):
        await served.admin.apply(stale, HTTP_ROUTE)


async def test_patch_with_a_test_that_fails_changes_nothing(served: Cluster) -> None:
    await served.admin.apply(route(served, EAST, WEST), HTTP_ROUTE)
    at = "/spec/rules/0/backendRefs/0/weight"
    operations = [{"op": "test", "path": at, "value": 1}, {"op": "replace", "path": at, "value": 2}]

    with pytest.raises(Invalid):
        await served.admin.patch(HTTP_ROUTE, served.namespace, "shop", operations)

    live = await served.admin.get(HTTP_ROUTE, served.namespace, "shop")
    assert entries(entries(live, "spec", "rules")[0], "backendRefs")[0]["weight"] == 90


async def test_status_is_a_part_of_its_own(served: Cluster) -> None:
    live = await served.admin.apply(route(served, EAST), HTTP_ROUTE)
    condition = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    parents = [{"parentRef": {"name": "shared"}, "controllerName": "example.net/one", "conditions": [condition]}]
    await served.admin.merge(HTTP_ROUTE, served.namespace, "shop", {"status": {"parents": parents}})
    assert not entries(await served.admin.get(HTTP_ROUTE, served.namespace, "shop"), "status", "parents")

    status = {"status": {"parents": parents}, "spec": {"hostnames": ["b.example"]}}
    said = await served.admin.merge(HTTP_ROUTE, served.namespace, "shop", status, subresource="status")

    assert text(entries(said, "status", "parents")[0], "controllerName") == "example.net/one"
    assert "hostnames" not in said["spec"]
    assert said["metadata"]["generation"] == live["metadata"]["generation"]


async def test_watch_tells_every_change_in_order(served: Cluster) -> None:
    _, version = await served.admin.listed(HTTP_ROUTE, served.namespace)
    for weight in range(1, 21):
        await served.admin.apply(route(served, EAST | {"weight": weight}), HTTP_ROUTE)
    await served.admin.delete(HTTP_ROUTE, served.namespace, "shop")

    seen: list[tuple[str, int]] = []
    async with aclosing(served.admin.watch(HTTP_ROUTE, served.namespace, "", version)) as events:
        async for kind, live in events:
            if kind != "BOOKMARK":
                seen.append((kind, entries(entries(live, "spec", "rules")[0], "backendRefs")[0]["weight"]))
            if kind == "DELETED":
                break

    kinds = ["ADDED", *["MODIFIED"] * 19, "DELETED"]
    assert seen == list(zip(kinds, [*range(1, 21), 20], strict=True))


async def test_watch_from_a_version_that_is_forgotten_is_expired_and_followed_lists_again(served: Cluster) -> None:
    await served.admin.apply(route(served, EAST), HTTP_ROUTE)
    if served.stand_in is not None:  # a real server knows nothing of the time before it knew the kind
        served.stand_in.store.forget()

    with pytest.raises(Expired):
        async for _ in served.admin.watch(HTTP_ROUTE, served.namespace, "", "1"):
            pass
    async with aclosing(followed(served.admin, HTTP_ROUTE, served.namespace)) as looks:
        assert set(await anext(looks)) == {(served.namespace, "shop")}
        await served.admin.delete(HTTP_ROUTE, served.namespace, "shop")
        assert await anext(looks) == {}


async def test_watch_with_nothing_to_tell_sends_bookmarks_to_go_on_from(served: Cluster) -> None:
    if served.stand_in is None:
        pytest.skip("a real server sends one in a minute")
    _, version = await served.admin.listed(HTTP_ROUTE, served.namespace)
    await served.admin.apply(route(served, EAST), HTTP_ROUTE)

    watch = served.admin.watch(HTTP_ROUTE, served.namespace, "none=such", version)
    async with aclosing(watch) as events:
        kind, mark = await anext(events)

    assert kind == "BOOKMARK"
    assert int(text(mark, "metadata", "resourceVersion")) > int(version)


async def test_listed_in_pages_gives_all_of_them(served: Cluster) -> None:
    names = [f"page-{row}" for row in range(7)]
    for name in names:
        await served.admin.create(CONFIG_MAP.blank(served.namespace, name, data={}), CONFIG_MAP)

    reader = KubernetesApi("test", lambda: served.admin_access, page=3)
    found, _ = await reader.listed(CONFIG_MAP, served.namespace)
    await reader.close()

    assert [n for n in (text(live, "metadata", "name") for live in found) if n.startswith("page")] == names


async def test_admission_policy_refuses_a_lower_fence_and_lets_marks_be_taken_off(served: Cluster) -> None:
    policy = fence_policy("test", [HTTP_ROUTE])
    await served.grant(policy)

    def fenced(*fence: int) -> Manifest:
        made = route(served, EAST)
        made["metadata"]["annotations"] = fence_marks((fence[0], fence[1]))
        return made

    async def enforced() -> bool:
        """A real server needs a moment to compile a policy."""
        await served.admin.apply(fenced(9, 9), HTTP_ROUTE, force=True)
        try:
            await served.admin.apply(fenced(9, 8), HTTP_ROUTE, dry_run=True)
        except Invalid:
            return True
        return False

    await eventually(enforced, "the policy counts")

    for lower in ((9, 8), (8, 99)):
        with pytest.raises(Invalid, match=r"denied request.*is lower than \(9, 9\)"):
            await served.admin.apply(fenced(*lower), HTTP_ROUTE, force=True)
    assert text(await served.admin.apply(fenced(10, 1), HTTP_ROUTE), "metadata", "name") == "shop"
    await served.admin.apply(route(served, EAST), HTTP_ROUTE)
    await served.revoke(policy)


async def test_request_without_the_right_is_forbidden_and_says_what_to_do(served: Cluster) -> None:
    account = Resource("", "v1", "serviceaccounts", "ServiceAccount")
    await served.admin.create(account.blank(served.namespace, "nobody"), account)
    access = await served.access_as("nobody")
    nobody = KubernetesApi("home", lambda: access)

    with pytest.raises(Forbidden, match="equipoise rbac"):
        await nobody.listed(HTTP_ROUTE, served.namespace)
    await nobody.close()


async def test_get_of_what_is_not_there_is_missing(served: Cluster) -> None:
    with pytest.raises(Missing, match="shop"):
        await served.admin.get(HTTP_ROUTE, served.namespace, "shop")
    with pytest.raises(Missing):
        await served.admin.listed(Resource("nowhere.dev", "v1", "things", "Thing"), served.namespace)


async def test_contract_over_https_by_a_kubeconfig_is_kept_as_over_http(tmp_path: Path) -> None:
    """The path that EQUIPOISE_KUBECONFIG takes: certificate, server name, token file, and a token for the rights."""
    async with (
        secured(tmp_path) as (standin, kubeconfig),
        kubernetes("gateway-http", kubeconfig=str(kubeconfig)) as mesh,
    ):
        split = {"east": 6_000, "north": 3_000, "west": 1_000}

        receipt = await mesh.connector.write(table(split, fence=(2, 1)))

        assert receipt.accepted
        read = await mesh.connector.read()
        assert read is not None
        assert (read.content(), read.fence) == (table(split).content(), (2, 1))
        with pytest.raises(Refused, match="another controller leads"):
            await mesh.connector.write(table(split, fence=(1, 9)))
        with pytest.raises(Refused):
            await mesh.connector.write(mesh.refusable(table(split, fence=(2, 2))))
        assert mesh.cluster.stand_in is None
        assert standin.requests
