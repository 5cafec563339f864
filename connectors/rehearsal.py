"""What a mesh may offer beside its weights: a failover that is rehearsed on a part of the requests, under a lease.

The weights themselves are never touched by a rehearsal, so what stands is what stood before, whatever happens to it. A
mesh that cannot let go of a rehearsal by itself does not offer one: a drill that outlives its controller is an outage.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from connectors.connector import Receipt
from placement.weights import WeightTable


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests of the rehearsed services that ended since the mesh was made, as its data plane counted them."""

    rehearsed: int = 0
    """By the rehearsed weights."""
    rehearsed_failed: int = 0
    regular: int = 0
    """By the regular weights."""
    regular_failed: int = 0

    def __sub__(self, other: "Tally") -> "Tally":
        """What came after `other`."""
        names = ("rehearsed", "rehearsed_failed", "regular", "regular_failed")
        return Tally(*(getattr(self, name) - getattr(other, name) for name in names))

    def __add__(self, other: "Tally") -> "Tally":
        """Of two meshes together."""
        names = ("rehearsed", "rehearsed_failed", "regular", "regular_failed")
        return Tally(*(getattr(self, name) + getattr(other, name) for name in names))


@runtime_checkable
class Rehearsing(Protocol):
    """The optional capability of a Connector. Idempotent; raises only Unavailable or Refused, as `write` does."""

    async def arm(self, table: WeightTable) -> Receipt:
        """A dry push: the data plane takes the weights of a failover, checks them, and uses them for no request.

        The table holds the services to be rehearsed and no others; its fence is not looked at. Refused where the
        mesh has no weights yet, or says no to these.
        """

    async def drain(self, ratio: float, lease_s: float) -> Receipt:
        """Route this part of the requests by the armed weights, until `lease_s` after the last call of this.

        The lease is the data plane's own: it runs out although nobody is there to say so. A ratio of 0 is the way
        back: it needs no lease and nothing armed. Any other is Refused where nothing is, or where some part of the
        mesh could not let go by itself.
        """

    async def disarm(self) -> Receipt:
        """Forget the armed weights, after the way back; nothing to do where there are none."""

    def unfit(self) -> str:
        """Why no requests can be drilled here now, such as a part that knows no lease; empty where they can."""

    def tally(self) -> Tally:
        """What came of the requests so far, of the services that are armed now."""
