"""Where probes may go. A list of targets must not become a way to ask what only this machine can reach.

A name is looked up once, every address it has is checked, and the connection goes to the address that was checked, so
that a name cannot change its meaning in between (DNS rebinding). Names keep their place in Host and SNI.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DENIED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "192.0.0.192/32",  # metadata of Oracle Cloud
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "fd00:ec2::254/128",  # metadata of AWS
        "ff00::/8",
    )
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Forbidden(Exception):  # noqa: N818  a state of the world
    """A destination that may not be probed; says which and why."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """What may be probed: everything but DENIED, or, with a list, nothing but what is on it."""

    networks: tuple[Network, ...] = ()
    """What is on it, be it DENIED."""
    names: frozenset[str] = frozenset()
    """Host names on it, whose addresses must not be DENIED."""

    @staticmethod
    def of(entries: Iterable[str]) -> "Destinations":
        """From `10.0.0.0/8`, `192.0.2.7` and `api.example.net`."""
        networks, names = [], set()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                names.add(entry.lower())
        return Destinations(tuple(networks), frozenset(names))

    def check(self, host: str, address: str) -> None:
        """Raises Forbidden unless `address`, one of `host`, may be probed."""
        ips = _meanings(ipaddress.ip_address(address.partition("%")[0]))
        listed = all(any(ip.version == net.version and ip in net for net in self.networks) for ip in ips)
        if listed:
            return
        if any(ip.version == net.version and ip in net for ip in ips for net in DENIED):
            raise Forbidden(f"{host} is {address}: link-local, metadata and multicast addresses are not probed")
        if (self.networks or self.names) and host.lower() not in self.names:
            raise Forbidden(f"{host} ({address}) is not on the list of what may be probed")

    async def pin(self, host: str) -> str:
        """The address to connect to for `host`. Raises Forbidden, and OSError when it cannot be looked up."""
        if is_address(host):
            self.check(host, host)
            return host
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self.check(host, address)
        return addresses[0]


def is_address(host: str) -> bool:
    """Whether a host is an IP address and no name."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _meanings(ip: Ip) -> list[Ip]:
    """The address, and the IPv4 address that it carries inside, if any: that one is reached in the end."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return [ip]
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if inner is None and ip in NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return [ip] if inner is None else [inner] if ip.ipv4_mapped else [ip, inner]
