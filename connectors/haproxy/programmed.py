"""What an HAProxy runs with, as a value: read off its own words, and the commands from one to another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from connectors.haproxy.spec import Address

WEIGHT_MAX = 256
STATE_FIELDS = ("be_name", "srv_name", "srv_addr", "srv_admin_state", "srv_uweight", "srv_port")
OUT_OF_USE = 0x01 | 0x02 | 0x08 | 0x10 | 0x20 | 0x40
"""Bits of srv_admin_state: maintenance or drain, forced, inherited, or for want of an address. 0x04 is left out: it
says that the configuration began with maintenance, and stays when a command has ended it (management guide, 9.3)."""

ServerKey = tuple[str, str]
"""(backend, server)."""


class BadAnswer(Exception):  # noqa: N818  a state of the world
    """HAProxy, or what answers in its place, said something else than was asked for."""


class Server(NamedTuple):
    """One server of one backend."""

    weight: int
    address: Address
    in_use: bool
    """False in maintenance or drain, whatever the weight."""


@dataclass(frozen=True, slots=True)
class Programmed:
    """Servers and map entries. A goal names only what it wants to be so."""

    servers: Mapping[ServerKey, Server]
    entries: Mapping[str, str]
    """The map, by key."""


def servers_of(answer: str, backends: frozenset[str]) -> dict[ServerKey, Server]:
    """The servers of some backends out of `show servers state`; BadAnswer for anything else.

    Fields are found by the names in the answer's own heading, so that a version with more of them is read as well.
    """
    version, *lines = answer.split("\n")
    if version != "1" or not lines or not lines[0].startswith("# "):
        raise BadAnswer(f"`show servers state` was answered with {answer[:80]!r}")
    names = lines[0][2:].split(" ")
    missing = [name for name in STATE_FIELDS if name not in names]
    if missing:
        raise BadAnswer(f"`show servers state` has no field {missing[0]}")
    places = [names.index(name) for name in STATE_FIELDS]
    rows = [_picked(line, places) for line in lines[1:] if line]
    return {(row[0], row[1]): _server(row) for row in rows if row[0] in backends}


def _picked(line: str, places: list[int]) -> list[str]:
    row = line.split(" ")
    if max(places) >= len(row):
        raise BadAnswer(f"a line of `show servers state` has {len(row)} fields: {line[:80]!r}")
    return [row[place] for place in places]


def _server(row: list[str]) -> Server:
    host, (admin, weight, port) = row[2], map(_number, row[3:])
    if weight > WEIGHT_MAX or port > 65_535:
        raise BadAnswer(f"server {row[0]}/{row[1]} is said to have weight {weight} and port {port}")
    return Server(weight, (host, port), not admin & OUT_OF_USE)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadAnswer(f"{text[:20]!r} stands where `show servers state` has a number")
    return int(text)


def entries_of(answer: str) -> dict[str, str]:
    """The map out of `show map`; BadAnswer for anything else. A repeated key counts once, as HAProxy looks it up."""
    found: dict[str, str] = {}
    for line in answer.split("\n"):
        match line.split(" "):
            case [""]:
                pass
            case [reference, key, value] if reference.startswith("0x"):
                found.setdefault(key, value)
            case _:
                raise BadAnswer(f"`show map` was answered with {line[:80]!r}")
    return found


def commands(now: Programmed, goal: Programmed, map_path: str, first: frozenset[str]) -> list[str]:
    """What to say so that `now` becomes `goal`; nothing for what is so already.

    Servers rise before others fall, or for a moment no server of a backend would have a weight. Map entries whose key
    is in `first` go before all servers, the rest after.
    """
    changed = [key for key, value in goal.entries.items() if now.entries.get(key) != value]
    gone = [key for key in now.entries if key not in goal.entries]
    rising: list[str] = []
    falling: list[str] = []
    for key, wanted in goal.servers.items():
        known = now.servers[key]
        is_rising = wanted.weight > known.weight or (wanted.in_use and not known.in_use)
        (rising if is_rising else falling).extend(_change(key, known, wanted))
    before = [_entry(now, goal, key, map_path) for key in changed if key in first]
    after = [_entry(now, goal, key, map_path) for key in changed if key not in first]
    return [*before, *rising, *falling, *after, *(f"del map {map_path} {key}" for key in gone)]


def _change(key: ServerKey, known: Server, wanted: Server) -> Iterable[str]:
    name = "/".join(key)
    if wanted.address != known.address:
        yield f"set server {name} addr {wanted.address[0]} port {wanted.address[1]}"
    if wanted.weight != known.weight:
        yield f"set server {name} weight {wanted.weight}"
    if wanted.in_use != known.in_use:
        yield f"set server {name} state {'ready' if wanted.in_use else 'maint'}"


def _entry(now: Programmed, goal: Programmed, key: str, map_path: str) -> str:
    return f"{'set' if key in now.entries else 'add'} map {map_path} {key} {goal.entries[key]}"


def differs(now: Programmed, goal: Programmed) -> str:
    """The first thing that is not as the goal has it; empty when all is."""
    for key, value in goal.entries.items():
        if now.entries.get(key) != value:
            return f"map key {key} is {now.entries.get(key, 'missing')}, not {value}"
    for (backend, server), wanted in goal.servers.items():
        if now.servers.get((backend, server)) != wanted:
            return f"server {backend}/{server} is {now.servers.get((backend, server))}, not {wanted}"
    return ""
