"""The one interface to a mesh, and the two ways in which it may say no."""

from dataclasses import dataclass
from typing import Protocol

from placement.fleet import OriginId
from placement.weights import WeightTable


class Unavailable(Exception):  # noqa: N818  it is a state of the world, not an error of ours
    """The mesh cannot be read or written now. Expected: the next tick tries again with its own plan."""


class Refused(Exception):  # noqa: N818  as above
    """The mesh answered and will not take this table; its last good one stays. Carries the mesh's own words."""


@dataclass(frozen=True, slots=True)
class MeshLimits:
    """What a mesh can express: data, so that rounding is done once, in placement.quantize."""

    unit: int = 10_000
    """The weights of one service add up to this."""
    zero_allowed: bool = True
    """Whether a destination may stand in the table at weight 0."""
    standby: bool = True
    """Whether the mesh takes fail-over priorities behind the weighted destinations."""
    shed: bool = True
    """Whether it can refuse a share of the requests."""
    targets_max: int = 1_000
    """Most destinations of one service."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of one write. Four answers; None means not known (yet)."""

    origin: OriginId
    epoch: int
    version: int
    stored: bool
    accepted: bool | None = None
    programmed: bool | None = None
    achieved: bool | None = None
    detail: str = ""


class Connector(Protocol):
    """The mesh of one origin. Idempotent; raises only Unavailable or Refused.

    Whole tables; no diff, no retry, no rounding, no deadline of its own (connectors.deadline sets it).
    """

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""

    async def read(self) -> WeightTable | None:
        """The table it has from us, None where it never had one."""

    async def write(self, table: WeightTable) -> Receipt:
        """Make it so. Refuses a fence lower than the one it has; writing the same table again changes nothing."""
