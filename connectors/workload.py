"""Where workloads run: the one interface to whatever keeps replicas, with the same two verbs as a mesh has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from connectors.connector import Receipt
from placement.fleet import ClusterId, OriginId, ServiceId

FloorKey = tuple[ServiceId, ClusterId]


@dataclass(frozen=True, slots=True)
class FloorTable:
    """Replicas that must be there at least, fenced by (epoch, version). An autoscaler may run more.

    A floor is raised before weights move in, and lowered after they moved out: what waits for what is the caller's.
    """

    owner: OriginId
    """Whose API server it is for."""
    epoch: int
    version: int
    floors: Mapping[FloorKey, int]
    """Least replicas by service and cluster."""

    @property
    def fence(self) -> tuple[int, int]:
        """(epoch, version): never a lower one than what is there."""
        return self.epoch, self.version

    def of(self, service: str) -> dict[ClusterId, int]:
        """The floors of one service, by cluster."""
        return {cluster: least for (name, cluster), least in sorted(self.floors.items()) if name == service}


class WorkloadConnector(Protocol):
    """What keeps the replicas behind one API server. Idempotent; raises only Unavailable or Refused.

    Whole tables, as for a mesh. `accepted` of a receipt is whether its controller has seen them, `programmed` whether
    so many replicas are wanted now, `achieved` whether so many are available.
    """

    @property
    def owner(self) -> OriginId:
        """Whose API server it is."""

    async def read(self) -> FloorTable | None:
        """The floors it has from us, as they are now; None where it never had any."""

    async def standing(self) -> Mapping[FloorKey, int]:
        """The floors of all that it keeps, ours or not. Objects that are not there are left out."""

    async def write(self, table: FloorTable) -> Receipt:
        """Make it so. Refuses a lower fence than any of its objects has."""

    async def judge(self, table: FloorTable) -> Receipt:
        """What a write would say; nothing is changed."""

    async def restore(self, service: ServiceId, fence: tuple[int, int]) -> bool:
        """Give the object of a service back as it was before our first write; False where we never wrote to it."""
