"""What is alike in every mesh that is spoken to through one HTTP API: whose it is, where, and the edge to it."""

from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, TypeVar

from connectors.connector import MeshLimits
from connectors.http import Access, Edge
from placement.fleet import OriginId


class ApiSpec(Protocol):
    """What the documents say of such a mesh."""

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""

    @property
    def access(self) -> Access:
        """Where its API is."""


Spec = TypeVar("Spec", bound=ApiSpec)


@dataclass(slots=True)
class ApiDialect(Generic[Spec]):
    """The common part of a connectors.fenced.Dialect."""

    PRODUCT: ClassVar[str]
    """As messages call it: `Consul`."""
    LIMITS: ClassVar[MeshLimits]
    spec: Spec
    _edge: Edge = field(init=False)

    def __post_init__(self) -> None:
        self._edge = Edge(self.spec.access, f"{self.origin}: {self.where}")

    @property
    def origin(self) -> OriginId:
        """Whose mesh this is."""
        return self.spec.origin

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.PRODUCT} at {self.spec.access.shown}"

    @property
    def limits(self) -> MeshLimits:
        """What it can express."""
        return self.LIMITS

    async def close(self) -> None:
        """Give up the connections."""
        await self._edge.close()
