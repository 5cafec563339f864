"""Where everything in one lab listens, and through which link one place reaches another."""

from dataclasses import dataclass

from simulator.lab.places import CONTROLLER, PLACES, WORKLOADS, nearest_first, rtt_ms
from simulator.lab.processes import free_ports
from simulator.lab.relay import Link

LOOPBACK = "127.0.0.1"
GATEWAY = "gateway"
CONTROL = "control"


def link_name(here: str, there: str, what: str) -> str:
    """As the relay knows the link."""
    return f"{here}>{there}/{what}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Ports on the loopback. Between two places every connection goes through the link of its kind."""

    api: int
    xds: int
    prometheus: int
    gateway: dict[str, int]
    """By cluster."""
    admin: dict[str, int]
    """Of each gateway, by cluster."""
    service: dict[tuple[str, str], int]
    """By (cluster, service)."""
    link: dict[str, Link]
    """By name."""

    def reach(self, here: str, cluster: str, service: str) -> int:
        """The port at which a place reaches a service in a cluster."""
        return self._through(here, cluster, service, self.service[cluster, service])

    def gateways(self, region: str) -> dict[str, str]:
        """The gateways' URLs as users of a region reach them, the nearest first."""
        ports = {there: self._through(region, there, GATEWAY, self.gateway[there]) for there in nearest_first(region)}
        return {there: f"http://{LOOPBACK}:{port}/" for there, port in ports.items()}

    def control(self, cluster: str) -> int:
        """The port at which a cluster's gateway reaches the controller's xDS server."""
        return self._through(cluster, CONTROLLER, CONTROL, self.xds)

    def _through(self, here: str, there: str, what: str, direct: int) -> int:
        return direct if here == there else self.link[link_name(here, there, what)].port

    def destinations(self, here: str) -> dict[int, tuple[str, str]]:
        """(cluster, service) by the port at which a place reaches it: what a gateway's log means."""
        return {self.reach(here, cluster, service): (cluster, service) for cluster, service in self.service}


def choose() -> Addresses:
    """Free ports for a whole lab, all of them picked together; raises LabError."""
    services = [(cluster, service) for cluster in PLACES for service in WORKLOADS]
    pairs = [(here, there) for here in PLACES for there in PLACES if here != there]
    ports = iter(free_ports(3 + 2 * len(PLACES) + len(services) + len(pairs) * (len(WORKLOADS) + 2)))
    api, xds, prometheus = (next(ports) for _ in range(3))
    gateway, admin = ({cluster: next(ports) for cluster in PLACES} for _ in range(2))
    service = {key: next(ports) for key in services}
    links = []
    for here, there in pairs:
        targets = {name: service[there, name] for name in WORKLOADS} | {GATEWAY: gateway[there], CONTROL: xds}
        one_way_s = rtt_ms(here, there) / 2e3
        links += [Link(link_name(here, there, w), next(ports), target, one_way_s) for w, target in targets.items()]
    return Addresses(api, xds, prometheus, gateway, admin, service, {link.name: link for link in links})
