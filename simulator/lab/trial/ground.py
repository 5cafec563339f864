"""Where everything in a trial listens: three clusters of one service, and the entries of all who route to them."""

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.lab.addresses import LOOPBACK, link_name
from simulator.lab.places import CONTROLLER, PLACES, rtt_ms
from simulator.lab.processes import free_ports
from simulator.lab.relay import Link

SERVICE = "shop"
API = "api"
HOME = CONTROLLER
"""Where the users, their gateways and the controller are."""
FAULTY = "us-east"
"""The cluster that breaks; everybody is served there before, for it is by far the cheapest."""
CLUSTERS = (FAULTY, HOME, *sorted(PLACES.keys() - {FAULTY, HOME}))
"""In the order in which whoever has an order of his own turns to them."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Ports on the loopback. Between two places every connection goes through a link of its length."""

    api: int
    xds: int
    service: dict[str, int]
    """By cluster."""
    link: dict[str, Link]
    """By name."""
    entry: dict[str, int]
    """Of each gateway, by its name."""
    admin: dict[str, int]
    """Of each gateway."""

    def controller(self, here: str) -> int:
        """The port at which a place reaches the controller's API."""
        return self.api if here == HOME else self.link[link_name(here, HOME, API)].port

    def reach(self, here: str, cluster: str) -> int:
        """The port at which a place reaches the service in a cluster."""
        return self.service[cluster] if here == cluster else self.link[link_name(here, cluster, SERVICE)].port

    def ways_to(self, cluster: str) -> list[int]:
        """Every port at which somebody reaches a cluster."""
        return sorted(self.reach(here, cluster) for here in PLACES)

    def clusters(self) -> dict[int, str]:
        """The cluster behind each port that a gateway of HOME sends to."""
        return {self.reach(HOME, cluster): cluster for cluster in CLUSTERS}


def choose(gateways: Iterable[str]) -> Ground:
    """Free ports for a whole trial, all of them picked together; raises LabError."""
    names = list(gateways)
    pairs = [(here, there) for here in PLACES for there in PLACES if here != there]
    away = sorted(PLACES.keys() - {HOME})
    ports = iter(free_ports(2 + len(PLACES) + len(pairs) + len(away) + 2 * len(names)))
    api, xds = next(ports), next(ports)
    service = {cluster: next(ports) for cluster in PLACES}
    links = [
        Link(link_name(here, there, SERVICE), next(ports), service[there], rtt_ms(here, there) / 2e3)
        for here, there in pairs
    ]
    links += [Link(link_name(here, HOME, API), next(ports), api, rtt_ms(here, HOME) / 2e3) for here in away]
    entry, admin = ({name: next(ports) for name in names} for _ in range(2))
    return Ground(api, xds, service, {link.name: link for link in links}, entry, admin)


def at(port: int) -> str:
    """host:port."""
    return f"{LOOPBACK}:{port}"
