"""Three real places: where they are, how far apart, what a node costs there and what leaving costs.

Sources, all facts: round trips are the averages of ping between AWS regions of 5 June 2020, published with
vitorenesduarte/fantoch (latency_aws/2020_06_05, MIT or Apache-2.0). Node prices are on-demand list prices of
m6idn.xlarge from skypilot-org/skypilot-catalog (catalogs/v8/aws/vms.csv, commit 00148f2a). Transfer prices between
regions are from skyplane-project/skyplane (aws_transfer_costs.csv, commit 4602d9ce, 9 January 2024).
"""

from dataclasses import dataclass

NODE_TYPE = "m6idn.xlarge"
NODE_VCPU = 4.0
NODE_MEMORY_GIB = 16.0
CONTROLLER = "eu-west"
"""The place where the controller runs; it survives the loss of the cluster there."""


@dataclass(frozen=True, slots=True)
class Place:
    """A region with a cluster in it and users around it."""

    name: str
    region: str
    jurisdiction: str
    longitude_deg: float
    usd_per_node_hour: float
    usd_per_gb_out: float
    """To either of the other two places."""
    nodes: int
    """Each carries one replica of one service."""


PLACES = {
    "eu-west": Place("eu-west", "eu-west-1", "EU", -6.3, 0.35568, 0.02, 5),
    "us-east": Place("us-east", "us-east-1", "US", -77.5, 0.31824, 0.02, 7),
    "ap-southeast": Place("ap-southeast", "ap-southeast-1", "SG", 103.8, 0.39078, 0.09, 5),
}

RTT_MS = {
    frozenset(("eu-west", "us-east")): 70.5,
    frozenset(("eu-west", "ap-southeast")): 186.6,
    frozenset(("us-east", "ap-southeast")): 235.8,
}
RTT_LOCAL_MS = 0.3


def rtt_ms(here: str, there: str) -> float:
    """Round trip between two places."""
    return RTT_LOCAL_MS if here == there else RTT_MS[frozenset((here, there))]


def nearest_first(here: str) -> list[str]:
    """All places by distance, as an anycast or DNS client would try them."""
    return sorted(PLACES, key=lambda there: rtt_ms(here, there))


@dataclass(frozen=True, slots=True)
class Workload:
    """A service as it really behaves in the lab: replicas x workers requests at a time, each for some time."""

    name: str
    replicas: dict[str, int]
    workers_per_replica: int
    service_ms: float
    """Mean time that one worker is busy with one request."""
    response_bytes: int
    calls: str | None = None

    @property
    def rps_per_replica(self) -> float:
        """What one replica can serve."""
        return self.workers_per_replica / self.service_ms * 1e3

    def capacity_rps(self, cluster: str) -> float:
        """What all replicas in a cluster can serve."""
        return self.replicas[cluster] * self.rps_per_replica


FRONTEND = Workload("frontend", {"eu-west": 3, "us-east": 4, "ap-southeast": 3}, 2, 60.0, 8_000, calls="backend")
BACKEND = Workload("backend", {"eu-west": 2, "us-east": 3, "ap-southeast": 2}, 2, 40.0, 2_000)
WORKLOADS = {w.name: w for w in (FRONTEND, BACKEND)}

REGION_RPS = 40.0
"""Mean requests/s of the users around one place."""
