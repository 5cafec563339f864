"""Weighted answers as a LUA record of PowerDNS, and back.

The list of weights and the list of standbys stand at the beginning; the code behind them is always the same. With
health PowerDNS connects to every endpoint by itself. An address is alone in the answer of `ifportup` when it is up, and
in the company of a documentation address that nobody has when it is not: so one call tells.
"""

import ipaddress
import math
import re
from collections.abc import Mapping

from connectors.connector import Refused
from connectors.fenced import Row
from placement.fleet import ClusterId

Address = tuple[str, int]
NOBODY = {4: "192.0.2.1", 6: "2001:db8::1"}
TYPES = {4: "A", 6: "AAAA"}
PLAIN = "pickwrandom({weights})"
HEALTHY = (
    ";local w={weights} local s={standbys} "
    "local function up(a,p) return #ifportup(p,{{a,'{nobody}'}},{{selector='all',backupSelector='all'}})==1 end "
    "local r={{}} for _,t in ipairs(w) do if up(t[2],t[3]) then r[#r+1]={{t[1],t[2]}} end end "
    "if #r>0 then return pickwrandom(r) end "
    "for _,t in ipairs(s) do if up(t[1],t[2]) then return {{t[1]}} end end "
    "for _,t in ipairs(w) do r[#r+1]={{t[1],t[2]}} end return pickwrandom(r)"
)
_WEIGHT = re.compile(r"\{(\d{1,9}),'([^']{2,60})'(?:,\d{1,5})?\}")
_STANDBY = re.compile(r"\{'([^']{2,60})',\d{1,5}\}")

Book = Mapping[ClusterId, tuple[Address, ...]]


def contents(row: Row, book: Book, health: bool, what: str) -> tuple[str, ...]:
    """The contents of a LUA rrset: one for IPv4, one for IPv6, as far as there are addresses.

    Refused where an endpoint is no address, and where one cluster would be left out of a family that others have.
    """
    found = [_content(row, family, book, health, what) for family in (4, 6)]
    if not any(found):
        raise Refused(f"{what}: there is no address to answer with")
    return tuple(text for text in found if text)


def _content(row: Row, family: int, book: Book, health: bool, what: str) -> str:
    addresses = {c: _of_family(book[c], family, what) for c in (*row.weights, *row.standbys)}
    weighted = {c: w for c, w in row.weights.items() if addresses[c]}
    if not weighted:
        return ""
    if len(weighted) < len(row.weights):
        missing = sorted(row.weights.keys() - weighted.keys())
        raise Refused(f"{what}: {', '.join(missing)} has no IPv{family} address, but {', '.join(weighted)} has")
    scale = math.lcm(*(len(addresses[cluster]) for cluster in weighted))
    shares = {cluster: weight * scale // len(addresses[cluster]) for cluster, weight in weighted.items()}
    common = math.gcd(*shares.values())
    ports = ",{port}" if health else ""
    weights = ",".join(
        f"{{{shares[c] // common},'{host}'{ports.format(port=port)}}}"
        for c in sorted(weighted)
        for host, port in addresses[c]
    )
    standbys = ",".join(f"{{'{host}',{port}}}" for c in row.standbys for host, port in addresses[c])
    code = HEALTHY if health else PLAIN
    text = code.format(weights=f"{{{weights}}}", standbys=f"{{{standbys}}}", nobody=NOBODY[family])
    return f'{TYPES[family]} "{text}"'


def _of_family(addresses: tuple[Address, ...], family: int, what: str) -> list[Address]:
    try:
        return [(host, port) for host, port in addresses if ipaddress.ip_address(host).version == family]
    except ValueError as error:
        raise Refused(f"{what}: a name cannot answer with that: {error}") from None


def row_of(texts: tuple[str, ...], book: Book, unit: int, health: bool) -> Row | None:
    """The row that some contents say; None where they were not written by us, or by a hand that changed them."""
    clusters = {host: cluster for cluster, addresses in book.items() for host, _ in addresses}
    weights: dict[ClusterId, int] = {}
    standbys: list[ClusterId] = []
    for number, host in _WEIGHT.findall(texts[0]) if texts else ():
        if host in clusters:
            weights[clusters[host]] = weights.get(clusters[host], 0) + int(number)
    for host in _STANDBY.findall(texts[0]) if texts else ():
        if host in clusters and clusters[host] not in standbys:
            standbys.append(clusters[host])
    total = sum(weights.values())
    if not total:
        return None
    exact = {cluster: weight * unit // total for cluster, weight in weights.items()}
    if sum(exact.values()) != unit or any(exact[c] * total != weights[c] * unit for c in weights):
        return None
    row = Row(exact, tuple(standbys))
    try:
        return row if contents(row, book, health, "") == texts else None
    except Refused:
        return None
