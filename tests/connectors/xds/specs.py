"""Address books and tables that the xDS tests share."""

from dataclasses import replace
from typing import Any

from connectors.xds.spec import MeshSpec
from placement.fleet import ClusterId, OriginId, ServiceId
from placement.weights import WeightTable, table_of

SHOP, CART = ServiceId("shop"), ServiceId("cart")
EAST, NORTH, WEST = ClusterId("east"), ClusterId("north"), ClusterId("west")


def spec(**changes: Any) -> MeshSpec:
    """Two services in three clusters, one endpoint each, behind an Envoy."""
    places = ((SHOP, EAST), (SHOP, NORTH), (SHOP, WEST), (CART, EAST), (CART, NORTH))
    known = {place: ((f"10.0.0.{i}", 8080),) for i, place in enumerate(places, start=1)}
    found = MeshSpec(
        origin=OriginId("home"), node="home", endpoints=known, listener=("127.0.0.1", 10_000),
        localities={EAST: ("r1", "z1"), NORTH: ("r2", "z2")},
    )  # fmt: skip
    return replace(found, **changes)


def table(fence: tuple[int, int] = (1, 1), **shop: tuple[int, int]) -> WeightTable:
    """Weights of `shop`, out of 100, with `cart` all in the east."""
    return table_of("home", 100, {"shop": shop, "cart": {"east": (100, 0)}}, fence)
