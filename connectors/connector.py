"""The one interface to a mesh, and the two ways in which it may say no."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from placement.fleet import OriginId
from placement.weights import WeightTable


class Unavailable(Exception):  # noqa: N818  it is a state of the world, not an error of ours
    """The mesh cannot be read or written now. Expected: the next tick tries again with its own plan."""


class Refused(Exception):  # noqa: N818  as above
    """The mesh answered and will not take this table; its last good one stays. Carries the mesh's own words."""


class Fencing(StrEnum):
    """What keeps a controller that was overtaken from writing over the one that leads now."""

    COMPARED = "compared"
    """We compare before and after a write. Two that write within the same milliseconds may both get through."""
    ATOMIC = "atomic"
    """Compared and written in one step: our own writes cannot cross, whatever their timing."""
    ENFORCED = "enforced"
    """The mesh itself refuses a lower (epoch, version), whoever sends it."""


@dataclass(frozen=True, slots=True)
class MeshLimits:
    """What a mesh can express, and what it can say: data, so that rounding is done once, in placement.quantize.

    `equipoise connectors` prints the support matrix from these.
    """

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
    read_back: bool = True
    """Whether it can be asked what it has, changes by others included."""
    read_at_once: bool = False
    """Whether what it has is known in this process: a read waits for nobody, and needs no task and no deadline."""
    accepted: bool = True
    """Whether it says that it takes a table, or in its own words why not."""
    programmed: bool = False
    """Whether it says that its data plane runs with it."""
    programmed_partly: str = ""
    """In a word or two, where that depends on how the mesh is set up, or is said of one half alone."""
    achieved: bool = False
    """Whether it counts requests by destination itself. Otherwise the achieved split is seen by telemetry only."""
    dry_run: bool = False
    """Whether it judges a table without taking it; such a connector is `Judging`."""
    fencing: Fencing = Fencing.COMPARED
    settle_s: float = 0.0
    """How long requests may still follow the old weights after it has taken new ones, such as the TTL of a name."""
    weight_max: int = 0
    """The largest weight of one destination, where that is bounded instead of the sum; 0 where it is not."""
    standbys_max: int = 1_000
    """Most standbys behind the weighted destinations; the dearest are left out."""
    ttl_min_s: float = 0.0
    """The shortest time for which an answer is kept: 0 but for names."""
    zeros_are_equal: bool = False
    """Whether weights that are all 0 mean equal shares, so that they must never be written."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A proxy's own answer to a write."""

    node: str
    sent_s: float
    """Seconds since 1970, as below."""
    answered_s: float


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
    consents: tuple[Consent, ...] = ()
    """Of the proxies that were waited for, where each of them answers for itself."""


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


@runtime_checkable
class Judging(Protocol):
    """The optional capability of a Connector whose mesh judges a table without taking it."""

    async def judge(self, table: WeightTable) -> Receipt:
        """What `write` would say, `stored` being False. Raises what `write` would raise; changes nothing."""


@runtime_checkable
class Belated(Protocol):
    """The optional capability of a Connector whose proxies may answer a write that nobody waits for any more."""

    def belated(self) -> tuple[int, tuple[Consent, ...]]:
        """The version of the last write that was given up, and the proxies that have taken it since; once they all
        have answered, and then once. (0, ()) while there is nothing to say.
        """
