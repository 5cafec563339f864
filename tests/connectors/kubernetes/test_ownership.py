"""Whose an object is: drift by the hands of others, their objects under our weights, two controllers at once."""

from dataclasses import replace
from typing import Any

import pytest

from connectors.connector import Refused
from connectors.drift import Drifting, OnDrift
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.gateway import HTTP_ROUTE
from connectors.kubernetes.resource import CONFIG_MAP, entries, text
from connectors.kubernetes.spec import Ownership
from tests.contract.harness import ORIGIN, SERVICE, eventually, far_off, table
from tests.contract.harness_kubernetes import KubernetesHarness, kubernetes

SPLIT = {"east": 6_000, "north": 3_000, "west": 1_000}
OTHER = {"east": 1_000, "north": 2_000, "west": 7_000}


async def changed(mesh: KubernetesHarness, backends: dict[str, int], manager: str = "kubectl-edit") -> None:
    """Somebody else sets the weights of the route."""
    editor = KubernetesApi("test", lambda: mesh.cluster.admin_access, manager)
    listed = [{"name": f"{SERVICE}-{name}", "port": 8080, "weight": weight} for name, weight in backends.items()]
    operations = [{"op": "replace", "path": "/spec/rules/0/backendRefs", "value": listed}]
    await editor.patch(HTTP_ROUTE, mesh.cluster.namespace, SERVICE, operations)
    await editor.close()


async def stands(mesh: KubernetesHarness) -> dict[str, int]:
    """The weights in the route."""
    live = await mesh.cluster.admin.get(HTTP_ROUTE, mesh.cluster.namespace, SERVICE)
    rule = entries(live, "spec", "rules")[0]
    return {text(ref, "name").removeprefix(f"{SERVICE}-"): ref["weight"] for ref in entries(rule, "backendRefs")}


async def test_read_after_somebody_changed_the_weights_says_who_and_gives_ours_back_to_be_written() -> None:
    async with kubernetes("gateway-http") as mesh:
        assert isinstance(mesh.connector, Drifting)
        await mesh.connector.write(table(SPLIT))
        await changed(mesh, {"east": 1})

        read = await mesh.connector.read()

        assert read is not None
        assert read.content() == table(SPLIT).content()
        (drift,) = mesh.connector.drifts
        assert "kubectl-edit (Update, " in drift.who
        assert str(drift).startswith(
            f"{ORIGIN}: HTTPRoute {mesh.cluster.namespace}/{SERVICE} (spec.rules[0].backendRefs)"
        )
        assert "is east 100.0 %, not east 60.0 %, north 30.0 %, west 10.0 %" in str(drift)
        assert (await mesh.connector.write(table(SPLIT, fence=(1, 2)))).accepted
        assert await stands(mesh) == SPLIT
        await mesh.connector.read()
        assert not mesh.connector.drifts


@pytest.mark.parametrize("force", [False, True])
async def test_write_over_what_another_tool_declares_is_refused_and_taken_over_only_where_force_is_said(
    force: bool,
) -> None:
    async with kubernetes("gateway-http", force=force) as mesh:
        await mesh.connector.write(table(SPLIT))
        argo = KubernetesApi("test", lambda: mesh.cluster.admin_access, "argocd-controller")
        listed = [{"name": f"{SERVICE}-east", "port": 8080, "weight": 1}]
        spec = {"parentRefs": [{"name": "shared", "sectionName": "http"}], "rules": [{"backendRefs": listed}]}
        await argo.apply(HTTP_ROUTE.blank(mesh.cluster.namespace, SERVICE, spec=spec), HTTP_ROUTE, force=True)
        await argo.close()

        if force:
            assert (await mesh.connector.write(table(SPLIT, fence=(1, 2)))).accepted
            assert await stands(mesh) == SPLIT
            return
        with pytest.raises(Refused, match="argocd-controller owns it: let it go there"):
            await mesh.connector.write(table(SPLIT, fence=(1, 2)))
        assert await stands(mesh) == {"east": 1}


async def test_read_when_drift_is_adopted_gives_what_was_found() -> None:
    async with kubernetes("gateway-http", on_drift=OnDrift.ADOPT) as mesh:
        await mesh.connector.write(table(SPLIT))
        await changed(mesh, {"east": 1, "west": 3})

        read = await mesh.connector.read()

        assert read is not None
        assert read.content() == table({"east": 2_500, "west": 7_500}).content()


async def test_write_when_drift_is_ignored_leaves_that_service_alone_until_it_is_ours_again() -> None:
    async with kubernetes("gateway-http", on_drift=OnDrift.IGNORE) as mesh:
        await mesh.connector.write(table(SPLIT))
        await changed(mesh, {"east": 5, "west": 5})

        receipt = await mesh.connector.write(table(OTHER, fence=(1, 2)))
        assert await stands(mesh) == {"east": 5, "west": 5}
        read = await mesh.connector.read()
        assert read is not None
        assert (read.content(), read.fence) == (table(SPLIT).content(), (1, 2))
        assert receipt.stored

        await mesh.cluster.admin.delete(HTTP_ROUTE, mesh.cluster.namespace, SERVICE)
        await mesh.connector.write(table(OTHER, fence=(1, 3)))
        assert await stands(mesh) == OTHER


async def test_read_after_the_route_was_deleted_has_no_row_and_the_next_write_makes_it_again() -> None:
    async with kubernetes("gateway-http") as mesh:
        await mesh.connector.write(table(SPLIT))
        await mesh.cluster.admin.delete(HTTP_ROUTE, mesh.cluster.namespace, SERVICE)

        read = await mesh.connector.read()

        assert read is not None
        assert read.services == ()
        assert (await mesh.connector.write(table(SPLIT, fence=(1, 2)))).accepted


async def owned_by_others(mesh: KubernetesHarness, *rules: dict[str, Any]) -> None:
    """A route of a team, with a header filter of its own on the eastern back end."""
    header = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x", "value": "y"}]}}]
    backends = [
        {"name": f"{SERVICE}-east", "port": 8080, "weight": 1, "filters": header},
        {"name": f"{SERVICE}-north", "port": 8080, "weight": 1},
    ]
    spec = {"parentRefs": [{"name": "shared"}], "rules": [{"backendRefs": backends}, *rules]}
    team = KubernetesApi("test", lambda: mesh.cluster.admin_access, "team")
    await team.apply(HTTP_ROUTE.blank(mesh.cluster.namespace, SERVICE, spec=spec), HTTP_ROUTE)
    await team.close()


async def test_write_when_the_route_is_somebody_elses_changes_the_weights_and_nothing_else() -> None:
    async with kubernetes("gateway-http", ownership=Ownership.PATCH) as mesh:
        await owned_by_others(mesh)
        written = table({"east": 7_000, "west": 3_000})

        receipt = await mesh.connector.write(written)

        assert receipt.accepted
        assert await stands(mesh) == {"east": 7_000, "north": 0, "west": 3_000}
        live = await mesh.cluster.admin.get(HTTP_ROUTE, mesh.cluster.namespace, SERVICE)
        assert entries(entries(entries(live, "spec", "rules")[0], "backendRefs")[0], "filters")
        read = await mesh.connector.read()
        assert read is not None
        assert (read.content(), mesh.connector.drifts) == (written.content(), ())

        async def right() -> bool:
            return not far_off(await mesh.send(SERVICE, 500), {"east": 7_000, "west": 3_000})

        await eventually(right, "the split")


async def test_write_of_somebody_elses_route_that_is_refused_brings_their_weights_back() -> None:
    async with kubernetes("gateway-http", ownership=Ownership.PATCH) as mesh:
        await owned_by_others(mesh)

        with pytest.raises(Refused, match="BackendNotFound"):
            await mesh.connector.write(mesh.refusable(table(SPLIT)))

        assert await stands(mesh) == {"east": 1, "north": 1}


async def test_write_of_somebody_elses_route_with_several_rules_is_refused() -> None:
    async with kubernetes("gateway-http", ownership=Ownership.PATCH) as mesh:
        await owned_by_others(mesh, {"backendRefs": [{"name": f"{SERVICE}-west", "port": 8080}]})

        with pytest.raises(Refused, match="has 2 rules"):
            await mesh.connector.write(table(SPLIT))


async def test_write_of_somebody_elses_route_that_is_not_there_says_so() -> None:
    async with kubernetes("gateway-http", ownership=Ownership.PATCH) as mesh:
        with pytest.raises(Refused, match="not there to be patched"):
            await mesh.connector.write(table(SPLIT))


async def test_write_of_two_controllers_at_once_is_won_by_one_and_the_other_is_told() -> None:
    async with kubernetes("gateway-http") as mesh:
        await mesh.connector.write(table(SPLIT))
        slow, quick = mesh.connector, replace(mesh.connector)
        changes, standing = await slow._tried(table(SPLIT, fence=(1, 2)))
        await quick.write(table(OTHER, fence=(2, 1)))

        with pytest.raises(Refused, match=r"overtaken by \(epoch, version\) \(2, 1\)"):
            await slow._fence(table(SPLIT, fence=(1, 2)), standing, dry_run=False)

        assert await stands(mesh) == OTHER
        assert changes == []


async def test_object_of_an_overtaken_controller_is_denied_by_the_server_itself() -> None:
    async with kubernetes("gateway-http") as mesh:
        await mesh.connector.write(table(SPLIT, fence=(1, 1)))
        (change, *_), _ = await mesh.connector._tried(table(OTHER, fence=(1, 2)))
        await mesh.connector.write(table(SPLIT, fence=(2, 1)))

        with pytest.raises(Refused, match=r"denied request.*\(1, 2\) is lower than \(2, 1\)"):
            await change.make(mesh.connector.api, dry_run=False, force=True)


async def test_read_when_somebody_wrote_nonsense_into_our_marks_leaves_the_row_out() -> None:
    async with kubernetes("gateway-http") as mesh:
        await mesh.connector.write(table(SPLIT))
        where = (HTTP_ROUTE, mesh.cluster.namespace, SERVICE)
        for nonsense in (
            "",
            "null",
            "[1,2",
            '[10000, 0, ["east", -1, 0]]',
            '[10000, 0, ["east", 9999, 0]]',
            "[" * 50_000,
        ):
            await mesh.cluster.admin.merge(*where, {"metadata": {"annotations": {"equipoise.dev/row": nonsense}}})
            read = await mesh.connector.read()
            assert read is not None
            assert read.services == ()


async def test_read_when_somebody_deleted_the_fence_is_as_never_written() -> None:
    async with kubernetes("gateway-http") as mesh:
        await mesh.connector.write(table(SPLIT, fence=(3, 1)))
        await mesh.cluster.admin.delete(CONFIG_MAP, mesh.cluster.namespace, mesh.spec.fence_name)

        assert await mesh.connector.read() is None
        with pytest.raises(Refused, match="denied request"):
            await mesh.connector.write(table(OTHER, fence=(2, 1)))
