"""Replica floors: every keeper under one suite, and what only some of them do."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from connectors.connector import Refused
from connectors.kubernetes.answers import Missing
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.floors import FloorSpec, KubernetesFloors
from connectors.kubernetes.rbac import SERVICE_ACCOUNT, floor_rights
from connectors.kubernetes.resource import Manifest, entries, mapping
from connectors.kubernetes.workload import AUTOSCALER, DEPLOYMENT, PROPAGATION, SCALED_OBJECT, Keeper, Kept
from connectors.workload import FloorTable
from placement.fleet import ClusterId, OriginId, ServiceId
from tests.kubernetes.clusters import Cluster, cluster
from tests.kubernetes.definitions import definitions_of

SHOP, EAST, WEST = ServiceId("shop"), ClusterId("east"), ClusterId("west")
OWNER = OriginId("east")
GROUPS = {Keeper.KEDA: "keda.sh", Keeper.KARMADA: "policy.karmada.io"}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
SPECS: dict[Keeper, dict[str, Any]] = {
    Keeper.AUTOSCALER: {"scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 10},
    Keeper.KEDA: {
        "scaleTargetRef": {"name": "shop"},
        "minReplicaCount": 0,
        "maxReplicaCount": 10,
        "triggers": [{"type": "cpu", "metadata": {"value": "80"}}],
    },
    Keeper.KARMADA: {
        "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}],
        "placement": {"clusterAffinity": {"clusterNames": ["member-1"]}},
    },
}


@dataclass
class Kubernetes:
    """An API server with one Deployment, and what keeps its replicas."""

    cluster: Cluster
    keeper: Keeper
    floors: KubernetesFloors

    async def live(self) -> Manifest:
        """What keeps them, as it is."""
        return await self.cluster.admin.get(self.keeper.resource, self.cluster.namespace, "shop")

    async def controlled(self) -> bool:
        """Whether somebody else says what the Deployment has, within a second."""
        if self.cluster.stand_in is not None:
            return False
        where = (DEPLOYMENT, self.cluster.namespace, "shop")
        end_s = time.monotonic() + 1.0
        while time.monotonic() < end_s:
            if mapping(await self.cluster.admin.get(*where), "status").get("observedGeneration"):
                return True
        return False

    async def runs(self, available: int) -> None:
        """What the controllers of a real cluster would bring about."""
        where = (DEPLOYMENT, self.cluster.namespace, "shop")
        await self.cluster.admin.merge(*where, {"spec": {"replicas": available}})
        made = (await self.cluster.admin.get(*where))["metadata"]["generation"]
        status = {
            "observedGeneration": made,
            "replicas": available,
            "availableReplicas": available,
            "readyReplicas": available,
        }
        await self.cluster.admin.merge(*where, {"status": status}, subresource="status")


def floors(east: int, west: int | None = None, fence: tuple[int, int] = (1, 1)) -> FloorTable:
    """Least replicas of SHOP."""
    return FloorTable(OWNER, *fence, {(SHOP, EAST): east} | ({} if west is None else {(SHOP, WEST): west}))


@contextlib.asynccontextmanager
async def kubernetes(keeper: Keeper) -> AsyncIterator[Kubernetes]:
    """A Deployment and its keeper, under a service account with the rights that are printed for it."""
    async with cluster() as given:
        if keeper in GROUPS:
            await given.install(definitions_of(GROUPS[keeper]))
        labels = {"app": "shop"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "shop", "image": "shop:1"}]}}
        spec: dict[str, Any] = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        await given.admin.create(DEPLOYMENT.blank(given.namespace, "shop", spec=spec), DEPLOYMENT)
        if keeper in SPECS:
            made = keeper.resource.blank(given.namespace, "shop", spec=SPECS[keeper])
            await given.admin.create(made, keeper.resource)
        home = ClusterId("hub") if keeper is Keeper.KARMADA else EAST
        names = {EAST: "member-1", WEST: "member-2"}
        known = FloorSpec(OWNER, home, {SHOP: Kept(SHOP, given.namespace, "shop", keeper)}, names)
        account = (SERVICE_ACCOUNT, SERVICE_ACCOUNT.blank(given.namespace, "equipoise-east"))
        rights = floor_rights(known, "equipoise-east", given.namespace)
        await given.grant([account, *rights])
        access = await given.access_as("equipoise-east")
        api = KubernetesApi("east", lambda: access)
        yield Kubernetes(given, keeper, KubernetesFloors(known, api))
        await given.revoke(rights)
        await api.close()


@pytest.mark.parametrize("keeper", Keeper)
async def test_floor_when_written_is_read_back_and_fenced(keeper: Keeper) -> None:
    async with kubernetes(keeper) as k:
        assert await k.floors.read() is None
        wanted = floors(4, 3 if keeper is Keeper.KARMADA else None, (2, 3))

        receipt = await k.floors.write(wanted)

        assert (receipt.stored, receipt.epoch, receipt.version) == (True, 2, 3)
        read = await k.floors.read()
        assert read is not None
        assert (read.floors, read.fence) == (wanted.floors, (2, 3))
        with pytest.raises(Refused, match=r"\(2, 2\) is lower than \(2, 3\)"):
            await k.floors.write(floors(9, fence=(2, 2)))
        assert await k.floors.read() == read


@pytest.mark.parametrize("keeper", Keeper)
async def test_floor_when_written_again_renews_the_fence_alone(keeper: Keeper) -> None:
    async with kubernetes(keeper) as k:
        await k.floors.write(floors(4, fence=(1, 1)))
        before = await k.live()

        await k.floors.write(floors(4, fence=(1, 2)))
        await k.floors.write(floors(4, fence=(1, 2)))

        after = await k.live()
        assert after["spec"] == before["spec"]
        read = await k.floors.read()
        assert read is not None
        assert read.fence == (1, 2)


@pytest.mark.parametrize("keeper", [Keeper.AUTOSCALER, Keeper.KEDA])
async def test_floor_of_an_autoscaler_is_achieved_when_so_many_are_available(keeper: Keeper) -> None:
    async with kubernetes(keeper) as k:
        if await k.controlled():
            pytest.skip("this server's own controllers say what a Deployment has")
        await k.runs(2)
        short = await k.floors.write(floors(4))
        await k.runs(4)

        whole = await k.floors.write(floors(4, fence=(1, 2)))

        assert (short.accepted, short.programmed, short.achieved) == (True, False, False)
        assert "shop has 2 of 4" in short.detail
        assert (whole.accepted, whole.programmed, whole.achieved) == (True, True, True)
        with pytest.raises(Refused, match="takes 10 replicas at most, not 11"):
            await k.floors.write(floors(11, fence=(1, 3)))


async def test_floor_of_a_deployment_under_an_autoscaler_is_refused() -> None:
    async with kubernetes(Keeper.DEPLOYMENT) as k:
        scaler = AUTOSCALER.blank(k.cluster.namespace, "other", spec=SPECS[Keeper.AUTOSCALER])
        await k.cluster.admin.create(scaler, AUTOSCALER)

        with pytest.raises(Refused, match=r"HorizontalPodAutoscaler .*/other scales Deployment shop"):
            await k.floors.write(floors(4))
        assert (await k.live())["spec"]["replicas"] == 2


async def test_floor_of_an_autoscaler_that_keda_owns_is_refused() -> None:
    async with kubernetes(Keeper.AUTOSCALER) as k:
        owner = {"apiVersion": "keda.sh/v1alpha1", "kind": SCALED_OBJECT.kind, "name": "shop", "uid": "1"}
        change = {"metadata": {"ownerReferences": [owner]}}
        await k.cluster.admin.merge(AUTOSCALER, k.cluster.namespace, "shop", change)

        with pytest.raises(Refused, match="belongs to ScaledObject shop"):
            await k.floors.write(floors(4))


async def test_floors_in_karmada_are_static_weights_without_the_clusters_that_have_none() -> None:
    async with kubernetes(Keeper.KARMADA) as k:
        await k.floors.write(floors(4, 3))
        await k.floors.write(floors(5, 0, (1, 2)))

        placement = mapping(await k.live(), "spec", "placement")
        weights = entries(mapping(placement, "replicaScheduling", "weightPreference"), "staticWeightList")
        assert weights == [{"targetCluster": {"clusterNames": ["member-1"]}, "weight": 5}]
        assert mapping(placement, "clusterAffinity")["clusterNames"] == ["member-1"]
        with pytest.raises(Refused, match="needs a replica somewhere"):
            await k.floors.write(floors(0, 0, (1, 3)))


async def test_floors_in_karmada_beside_dynamic_weights_are_refused() -> None:
    async with kubernetes(Keeper.KARMADA) as k:
        dynamic = {"replicaScheduling": {"weightPreference": {"dynamicWeight": "AvailableReplicas"}}}
        change = {"spec": {"placement": dynamic}}
        await k.cluster.admin.merge(PROPAGATION, k.cluster.namespace, "shop", change)

        with pytest.raises(Refused, match="dynamicWeight"):
            await k.floors.write(floors(4, 3))


async def test_floor_of_what_is_not_there_is_missing_and_names_it() -> None:
    async with kubernetes(Keeper.AUTOSCALER) as k:
        await k.cluster.admin.delete(AUTOSCALER, k.cluster.namespace, "shop")

        with pytest.raises(Missing, match=r"east: get HorizontalPodAutoscaler .*/shop"):
            await k.floors.write(floors(4))
