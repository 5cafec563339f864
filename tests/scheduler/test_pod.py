"""Leading by a Lease object, before the stand-in for the Kubernetes API (or the server of EQUIPOISE_KUBECONFIG)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.resource import mapping, text
from scheduler.lease import won
from scheduler.ledger import Ledger
from scheduler.pod import LEADS, LEASE, POD, KubernetesLease, LeaderLabel, leader_label
from scheduler.ports import Deposed
from tests.kubernetes.clusters import Cluster, cluster

TTL_S = 1.0
Make = Callable[[str], KubernetesLease]


@pytest.fixture
async def server() -> AsyncIterator[Cluster]:
    async with cluster() as found:
        yield found


@pytest.fixture
async def lease(server: Cluster, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes contenders for one Lease, on one ledger."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    await ledger.migrate()
    made: list[KubernetesLease] = []

    def make(name: str) -> KubernetesLease:
        api = KubernetesApi(name, lambda: server.admin_access)
        made.append(KubernetesLease(api, server.namespace, "equipoise", name, TTL_S, ledger))
        return made[-1]

    yield make
    for one in made:
        await one.release()
    ledger.close()


async def test_lease_when_free_is_taken_by_one_and_names_it(lease: Make) -> None:
    first, second = lease("first"), lease("second")

    claims = await asyncio.gather(first.take(), second.take())

    assert sorted(claim or 0 for claim in claims) == [0, 1]
    assert await first.holder() in {"first", "second"}


async def test_lease_when_released_goes_to_the_next_one_with_a_higher_epoch(lease: Make) -> None:
    first, second = lease("first"), lease("second")
    assert await first.take() == 1
    assert await second.take() is None

    await first.release()

    assert await asyncio.wait_for(won(second, 0.1, lambda _: None), 10.0) == 2


async def test_lease_that_is_renewed_is_not_taken_and_one_that_is_not_is_after_its_time(
    server: Cluster, lease: Make
) -> None:
    first, second = lease("first"), lease("second")
    assert await first.take() == 1
    kept = asyncio.create_task(first.keep())
    waits = asyncio.create_task(won(second, 0.2, lambda _: None))
    done, _ = await asyncio.wait({waits}, timeout=2 * TTL_S)
    assert not done, "a leader that renews is not followed"

    kept.cancel()

    assert await asyncio.wait_for(waits, 20.0) == 2
    found = await server.admin.get(LEASE, server.namespace, "equipoise")
    assert mapping(found, "spec")["leaseTransitions"] == 1
    with pytest.raises(Deposed, match="the term of first is over"):
        await first.keep()


async def test_label_of_the_pod_says_whether_it_leads_and_a_pod_that_is_gone_is_only_logged(server: Cluster) -> None:
    spec = {"containers": [{"name": "controller", "image": "equipoise"}]}
    await server.admin.create(POD.blank(server.namespace, "controller-0", spec=spec), POD)
    label = LeaderLabel(KubernetesApi("pod", lambda: server.admin_access), server.namespace, "controller-0")

    await label.set(True)
    assert text(await server.admin.get(POD, server.namespace, "controller-0"), "metadata", "labels", LEADS) == "true"
    await label.set(False)
    assert text(await server.admin.get(POD, server.namespace, "controller-0"), "metadata", "labels", LEADS) == ""
    label.pod = "nobody"
    await label.set(True)
    await label.api.close()


def test_label_outside_of_a_pod_is_none() -> None:
    assert leader_label({}) is None
    assert leader_label({"EQUIPOISE_POD": "a"}) is None
