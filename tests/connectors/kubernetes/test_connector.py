"""What the connector for meshes behind an API server does beyond the contract: dry runs, what each mesh says."""

from dataclasses import replace
from typing import Any

import pytest

from connectors.connector import Judging, Refused, Unavailable
from connectors.kubernetes.dialect import Naming
from connectors.kubernetes.gateway import GATEWAY, SERVICE_PROFILE, GatewayApi, Parent
from connectors.kubernetes.istio import VIRTUAL_SERVICE, IstioLocality, IstioSubsets
from connectors.kubernetes.marks import fence_of
from connectors.kubernetes.resource import Manifest, entries, mapping
from connectors.kubernetes.split import split_of
from placement.fleet import ClusterId, ServiceId
from placement.weights import Target
from tests.connectors.kubernetes.test_ownership import stands
from tests.contract.harness import SERVICE, UNIT, table
from tests.contract.harness_kubernetes import kubernetes, spec_of

SPLIT = {"east": 6_000, "north": 3_000, "west": 1_000}
OTHER = {"east": 1_000, "north": 2_000, "west": 7_000}


async def test_judge_says_what_a_write_would_say_and_changes_nothing() -> None:
    async with kubernetes("gateway-http") as mesh:
        assert isinstance(mesh.connector, Judging)
        assert mesh.cluster.stand_in is None or mesh.cluster.stand_in.store.writes
        receipt = await mesh.connector.judge(table(SPLIT))

        assert (receipt.stored, receipt.accepted) == (False, True)
        assert "1 objects would change" in receipt.detail
        assert await mesh.connector.read() is None
        with pytest.raises(Refused, match="nowhere"):
            await mesh.connector.judge(table({"nowhere": UNIT}))


async def test_write_under_a_new_epoch_renews_the_fence_of_every_object() -> None:
    async with kubernetes("istio-subsets") as mesh:
        await mesh.connector.write(table(SPLIT, fence=(1, 1)))
        await mesh.connector.write(table(SPLIT, fence=(2, 1)))

        for resource in mesh.dialect.resources:
            live = await mesh.cluster.admin.get(resource, mesh.cluster.namespace, SERVICE)
            assert fence_of(live) == (2, 1)


async def test_write_of_the_same_weights_touches_no_route() -> None:
    async with kubernetes("istio-subsets") as mesh:
        await mesh.connector.write(table(SPLIT, fence=(1, 1)))
        before = await mesh.cluster.admin.get(VIRTUAL_SERVICE, mesh.cluster.namespace, SERVICE)

        await mesh.connector.write(table(SPLIT, fence=(1, 2)))

        after = await mesh.cluster.admin.get(VIRTUAL_SERVICE, mesh.cluster.namespace, SERVICE)
        assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_write_when_a_service_profile_overrides_routes_is_refused_in_linkerd() -> None:
    async with kubernetes("linkerd") as mesh:
        host = f"{SERVICE}.{mesh.cluster.namespace}.svc.cluster.local"
        profile = SERVICE_PROFILE.blank(mesh.cluster.namespace, host, spec={"routes": []})
        await mesh.cluster.admin.create(profile, SERVICE_PROFILE)

        with pytest.raises(Refused, match=r"ServiceProfile .* overrides every HTTPRoute"):
            await mesh.connector.write(table(SPLIT))
        assert await mesh.connector.read() is None


async def test_write_when_another_virtual_service_speaks_for_the_host_is_refused_in_istio() -> None:
    async with kubernetes("istio-subsets") as mesh:
        spec = {"hosts": [SERVICE], "http": [{"route": [{"destination": {"host": SERVICE}}]}]}
        await mesh.cluster.admin.create(
            VIRTUAL_SERVICE.blank(mesh.cluster.namespace, "canary", spec=spec), VIRTUAL_SERVICE
        )

        with pytest.raises(Refused, match=r"VirtualService .*/canary speaks for"):
            await mesh.connector.write(table(SPLIT))


async def test_write_of_a_finer_table_than_the_mesh_takes_says_how_far_it_is_rounded() -> None:
    async with kubernetes("istio-subsets") as mesh:
        receipt = await mesh.connector.write(table({"east": 3_333, "north": 3_333, "west": 3_334}))

        assert (
            "rounded to weights of 100 together, shares off by up to 0.66%" in receipt.detail
            or "0.67%" in receipt.detail
        )
        live = await mesh.cluster.admin.get(VIRTUAL_SERVICE, mesh.cluster.namespace, SERVICE)
        legs = entries(entries(live, "spec", "http")[0], "route")
        assert sorted(leg["weight"] for leg in legs) == [33, 33, 34]


async def test_write_where_nothing_can_be_refused_serves_all_and_says_so() -> None:
    async with kubernetes("gateway-http") as mesh:
        receipt = await mesh.connector.write(table({"east": 4_000, "north": 4_000}))

        assert "this mesh refuses nothing: all of frontend is served" in receipt.detail
        assert await stands(mesh) == {"east": 5_000, "north": 5_000}
        with pytest.raises(Refused, match="cannot refuse all requests"):
            await mesh.connector.write(table({}, fence=(1, 2)))


async def test_write_when_no_controller_answers_is_stored_and_not_known_to_be_accepted() -> None:
    async with kubernetes("gateway-http", patience_s=0.2) as mesh:
        mesh.mesh.silent = True

        receipt = await mesh.connector.write(table(SPLIT))

        assert (receipt.stored, receipt.accepted) == (True, None)
        assert "no parent has answered yet" in receipt.detail


async def test_write_of_a_service_without_a_name_in_the_mesh_is_refused() -> None:
    async with kubernetes("gateway-http") as mesh:
        nameless = replace(mesh.connector, spec=replace(mesh.spec, places={}))

        with pytest.raises(Refused, match="no name in this mesh"):
            await nameless.write(table(SPLIT))


async def test_write_when_the_server_is_gone_is_unavailable_and_names_origin_and_cause() -> None:
    async with kubernetes("gateway-http") as mesh:
        await mesh.cut()

        with pytest.raises(Unavailable, match=r"home: get ConfigMap .*ClientConnectorError"):
            await mesh.connector.write(table(SPLIT))


def test_inference_pools_as_back_ends_have_their_group_and_no_port() -> None:
    dialect = GatewayApi((Parent("gpu"),), backend="InferencePool", naming=Naming("{service}-pool-{cluster}"))
    spec = spec_of("models", "east")
    (place,) = spec.places.values()
    ((_, route),) = dialect.wanted(spec, place, split_of(((Target(ClusterId("east"), 5, 0),), 0), 10_000, False))

    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    assert backend == {
        "group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "frontend-pool-east", "weight": 10_000
    }  # fmt: skip


def test_localities_that_two_clusters_share_are_refused() -> None:
    spec = replace(spec_of("shop", ""), regions={ClusterId(name): "eu" for name in ("east", "north")})
    (place,) = spec.places.values()
    row = ((Target(ClusterId("east"), 1, 0), Target(ClusterId("north"), 1, 0)), 0)

    with pytest.raises(Refused, match="use istio"):
        IstioLocality("eu").wanted(spec, place, split_of(row, 100, False))


def test_istio_subset_route_with_everything_refused_aborts_all() -> None:
    spec = spec_of("shop", "")
    (place,) = spec.places.values()
    wanted: list[Manifest] = [m for _, m in IstioSubsets().wanted(spec, place, split_of(((), 5), 100, True))]

    assert mapping(wanted[1]["spec"]["http"][0], "fault", "abort")["percentage"] == {"value": 100.0}
    assert IstioSubsets().found(spec, place, wanted[1]).refused_ratio == 1.0


def reconciled(status: str, words: str, generation: int | None) -> dict[str, Any]:
    """What istiod says of an object where it tracks distribution."""
    condition: dict[str, Any] = {"type": "Reconciled", "status": status, "message": words}
    condition |= {} if generation is None else {"observedGeneration": generation}
    return {"metadata": {"generation": 3}, "status": {"conditions": [condition]}}


@pytest.mark.parametrize(
    ("live", "programmed"),
    [
        ({"metadata": {"generation": 3}}, None),
        (reconciled("True", "2/2 proxies up to date.", 3), True),
        (reconciled("False", "1/2 proxies up to date.", 3), False),
        (reconciled("True", "2/2 proxies up to date.", 2), False),
        (reconciled("True", "2/2 proxies up to date.", None), None),
        (reconciled("False", "1/2 proxies up to date.", None), False),
    ],
)
def test_istio_is_believed_programmed_where_all_proxies_are_counted_for_this_generation(
    live: dict[str, Any], programmed: bool | None
) -> None:
    place = spec_of("shop", "").places[ServiceId(SERVICE)]

    word = IstioSubsets().word(place, live, None)

    assert (word.accepted, word.programmed) == (True, programmed)


async def test_write_to_istio_waits_while_proxies_are_behind_and_takes_nothing_back() -> None:
    async with kubernetes("istio-subsets", patience_s=0.3) as mesh:
        await mesh.connector.write(table(SPLIT))
        where = (VIRTUAL_SERVICE, mesh.cluster.namespace, SERVICE)
        behind = {"conditions": [{"type": "Reconciled", "status": "False", "message": "1/2 proxies up to date."}]}
        await mesh.cluster.admin.merge(*where, {"status": behind}, subresource="status")

        receipt = await mesh.connector.write(table(OTHER, fence=(1, 2)))

        assert (receipt.accepted, receipt.programmed) == (True, False)
        assert "1/2 proxies up to date." in receipt.detail
        assert (await mesh.connector.read()).content() == table(OTHER).content()  # type: ignore[union-attr]


async def test_write_of_a_route_whose_gateway_is_not_programmed_says_so() -> None:
    async with kubernetes("gateway-http") as mesh:
        listener = {"name": "http", "port": 80, "protocol": "HTTP"}
        body = {"gatewayClassName": "some", "listeners": [listener]}
        await mesh.cluster.admin.create(GATEWAY.blank(mesh.cluster.namespace, "shared", spec=body), GATEWAY)
        first = await mesh.connector.write(table(SPLIT))
        no = {"type": "Programmed", "status": "False", "reason": "NoResources", "message": "no address",
              "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}  # fmt: skip
        where = (GATEWAY, mesh.cluster.namespace, "shared")
        await mesh.cluster.admin.merge(*where, {"status": {"conditions": [no]}}, subresource="status")

        receipt = await mesh.connector.write(table(OTHER, fence=(1, 2)))

        assert (first.accepted, first.programmed) == (True, None)
        assert (receipt.accepted, receipt.programmed) == (True, False)
        assert "shared is not Programmed: NoResources: no address" in receipt.detail
