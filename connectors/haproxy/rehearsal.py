"""A rehearsed failover in an HAProxy: backends beside the regular ones, and a lease by HAProxy's own clock.

    !lease             1795692749202    until when requests are rehearsed, in milliseconds
    frontend:drill     100000           how many of a million go by the backend frontend:drill
    frontend:drill:shed     0           how many of a million that backend refuses

HAProxy looks all three up for every request. When the lease is over it takes the regular way, whether or not anybody is
left to say so: the lease needs no timer, no process beside HAProxy and no network. It is dated by HAProxy's own clock,
which `show activity` tells, so no clocks have to agree. Only a clock that is set back while nobody is left to renew or
end the drill makes it longer, by as much.
"""

from collections.abc import Iterable, Mapping

from connectors.connector import Refused
from connectors.haproxy.programmed import BadAnswer, Programmed, Server, ServerKey
from connectors.haproxy.spec import LEASE_KEY, HaproxySpec, drill_name, drill_shed_name
from connectors.haproxy.translation import parts, server_weights
from placement.weights import WeightTable

MILLION = 1_000_000
CLOCK = "date_now: "
ADVICE = "has no backend to rehearse with; add what `equipoise bootstrap` prints to its configuration, and reload"


def is_ours(key: str) -> bool:
    """Whether a map key is of a rehearsal."""
    return key == LEASE_KEY or key.endswith((":drill", ":drill:shed"))


def clock_ms(answer: str) -> int:
    """What HAProxy's clock says, out of `show activity`; BadAnswer for anything else."""
    for line in answer.split("\n"):
        if line.startswith(CLOCK):
            seconds, _, micros = line.removeprefix(CLOCK).partition(".")
            if seconds.isascii() and seconds.isdigit() and micros.isascii() and micros.isdigit() and len(micros) == 6:
                return int(seconds) * 1_000 + int(micros) // 1_000
    raise BadAnswer(f"`show activity` was answered with {answer[:80]!r}")


def without_drill(spec: HaproxySpec, servers: Iterable[ServerKey]) -> str:
    """Why this HAProxy cannot rehearse; empty where it can."""
    missing = spec.drills - {backend for backend, _ in servers}
    return f"HAProxy at {spec.socket} {ADVICE} ({', '.join(sorted(missing)[:3])})" if missing else ""


def armed_goal(table: WeightTable, spec: HaproxySpec, now: Programmed) -> Programmed:
    """What HAProxy has to know of a failover before the first request goes its way.

    Raises Refused for a target without an endpoint or without its server. Standbys are left out: what is rehearsed is
    where the load goes.
    """
    servers: dict[ServerKey, Server] = {}
    entries = {LEASE_KEY: "0"}
    for service, targets, shed in table.items():
        for target in targets:
            if not spec.endpoints.get((service, target.cluster)):
                raise Refused(f"{spec.origin}: no endpoint of {service} in {target.cluster} is known; add its address")
        names, wanted = parts(service, {t.cluster: t.weight for t in targets}, spec)
        for (name, address), weight in zip(names, server_weights(wanted).tolist(), strict=True):
            known = now.servers.get((drill_name(service), name))
            if known is None and weight:
                raise Refused(f"{spec.origin}: HAProxy at {spec.socket} has no server {drill_name(service)}/{name}")
            if known is not None:
                servers[drill_name(service), name] = known._replace(weight=weight, address=address)
        entries[drill_name(service)] = "0"
        entries[drill_shed_name(service)] = str(round(shed / table.unit * MILLION))
    return Programmed(servers, entries)


def drained(entries: Mapping[str, str], ratio: float, until_ms: int) -> dict[str, str]:
    """The entries of a rehearsal with another part of the requests, until another moment."""
    part = str(round(ratio * MILLION))
    moved = {key: part for key in entries if key.endswith(":drill")}
    return dict(entries) | moved | {LEASE_KEY: str(until_ms if ratio else 0)}
