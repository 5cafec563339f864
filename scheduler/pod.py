"""A controller in a pod: a Kubernetes Lease to lead by, and a label by which a Service finds the leader.

The Lease is used as client-go's leader election does (k8s.io/client-go/tools/leaderelection): a term has run out when
its record did not change for its duration by *our* clock, so clocks need not agree, and every change tests the version
that was seen. Who leads begins a term in the ledger too, whose epoch every mesh checks.
"""

import asyncio
import contextlib
import datetime as dt
import os
import time
from collections.abc import Mapping
from typing import Any

import structlog

from connectors.connector import Refused, Unavailable
from connectors.kubernetes.answers import Conflicted
from connectors.kubernetes.api import KubernetesApi
from connectors.kubernetes.kubeconfig import from_pod
from connectors.kubernetes.resource import Manifest, Resource, mapping, text, whole_number
from scheduler.lease import RENEWALS_PER_TERM
from scheduler.ledger import Ledger
from scheduler.ports import Deposed, LedgerDown

LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
POD = Resource("", "v1", "pods", "Pod")
LEADS = "equipoise.dev/leads"
"""The label of the pod whose controller leads; the chart's Services select it."""

log = structlog.get_logger()


class KubernetesLease:
    """A scheduler.lease.Lease over a Lease object. The ledger has to be shared by those who contend for it."""

    def __init__(self, api: KubernetesApi, namespace: str, lease: str, name: str, ttl_s: float, ledger: Ledger) -> None:
        self.api, self.namespace, self.lease, self.name, self.ttl_s = api, namespace, lease, name, ttl_s
        self.ledger = ledger
        self.leads = False
        self._seen: tuple[str, float] = ("", 0.0)
        """The version of the record when it last changed, and when that was by our clock."""

    async def take(self) -> int | None:
        """The epoch of a new term of ours; None while another leads. Raises LedgerDown."""
        try:
            found = await self.api.find(LEASE, self.namespace, self.lease)
            if found is None:
                await self.api.create(LEASE.blank(self.namespace, self.lease, spec=self._spec(0)), LEASE)
            elif not self._free(found):
                return None
            else:
                transitions = whole_number(mapping(found, "spec").get("leaseTransitions")) or 0
                await self._replace(found, self._spec(transitions + 1))
        except Conflicted:
            return None
        except (Unavailable, Refused) as no:
            raise LedgerDown(f"lease: {no}") from no
        epoch = await self.ledger.begin(self.name)
        self.leads = True
        return epoch

    async def holder(self) -> str:
        """Who leads by the record."""
        try:
            found = await self.api.find(LEASE, self.namespace, self.lease)
        except (Unavailable, Refused) as no:
            raise LedgerDown(f"lease: {no}") from no
        return text(found, "spec", "holderIdentity")

    async def keep(self) -> None:
        """Renew five times in a term. Raises Deposed when the record is another's, or could not be renewed in time."""
        renewed_s = time.monotonic()
        while time.monotonic() - renewed_s < self.ttl_s:
            await asyncio.sleep(self.ttl_s / RENEWALS_PER_TERM)
            with contextlib.suppress(Unavailable, Refused, TimeoutError):
                asked_s = time.monotonic()
                async with asyncio.timeout(self.ttl_s / RENEWALS_PER_TERM):
                    found = await self.api.get(LEASE, self.namespace, self.lease)
                    if text(found, "spec", "holderIdentity") != self.name:
                        break
                    spec = dict(mapping(found, "spec")) | {"renewTime": _now()}
                    await self._replace(found, spec)
                renewed_s = asked_s
        self.leads = False
        raise Deposed(f"the term of {self.name} is over: Lease {self.namespace}/{self.lease} could not be renewed")

    async def release(self) -> None:
        """Let the next one take over at once."""
        if self.leads:
            self.leads = False
            with contextlib.suppress(Unavailable, Refused):
                found = await self.api.get(LEASE, self.namespace, self.lease)
                if text(found, "spec", "holderIdentity") == self.name:
                    spec = dict(mapping(found, "spec")) | {"holderIdentity": "", "renewTime": _now()}
                    await self._replace(found, spec)
        await self.api.close()

    def _free(self, found: Manifest) -> bool:
        """Whether nobody holds it, or its record did not change for as long as it says."""
        version, now_s = text(found, "metadata", "resourceVersion"), time.monotonic()
        if version != self._seen[0]:
            self._seen = (version, now_s)
        lasts_s = whole_number(mapping(found, "spec").get("leaseDurationSeconds")) or 1
        return not text(found, "spec", "holderIdentity") or now_s - self._seen[1] > max(lasts_s, self.ttl_s)

    async def _replace(self, found: Manifest, spec: Mapping[str, Any]) -> None:
        version = text(found, "metadata", "resourceVersion")
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
        await self.api.patch(
            LEASE, self.namespace, self.lease, [test, {"op": "add", "path": "/spec", "value": dict(spec)}]
        )

    def _spec(self, transitions: int) -> dict[str, Any]:
        return {
            "holderIdentity": self.name,
            "leaseDurationSeconds": max(1, round(self.ttl_s)),
            "acquireTime": _now(),
            "renewTime": _now(),
            "leaseTransitions": transitions,
        }


class LeaderLabel:
    """The label of our own pod. What fails is logged: the controller leads all the same."""

    def __init__(self, api: KubernetesApi, namespace: str, pod: str) -> None:
        self.api, self.namespace, self.pod = api, namespace, pod

    async def set(self, leads: bool) -> None:
        """Put the label on, or take it off; a label of an earlier container of the pod must not stay."""
        change = {"metadata": {"labels": {LEADS: "true" if leads else None}}}
        try:
            await self.api.merge(POD, self.namespace, self.pod, change)
        except (Unavailable, Refused) as no:
            log.warning("the label of this pod could not be set", leads=leads, detail=str(no))


def leader_label(environment: Mapping[str, str] = os.environ) -> LeaderLabel | None:
    """The label of the pod that EQUIPOISE_POD and EQUIPOISE_NAMESPACE name; None where they are not set."""
    pod, namespace = environment.get("EQUIPOISE_POD"), environment.get("EQUIPOISE_NAMESPACE")
    if not pod or not namespace:
        return None
    return LeaderLabel(KubernetesApi("pod", from_pod), namespace, pod)


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
