from pathlib import Path

from config.fleet import fleet_of
from config.load import load
from config.workloads import workloads_of

EXAMPLE = Path(__file__).parents[2] / "config" / "example"


def test_workloads_of_the_example_have_limits_that_the_pools_can_hold() -> None:
    documents = load(EXAMPLE)
    fleet = fleet_of(documents)

    workloads = workloads_of(documents, fleet)

    assert workloads.resources.shape == (len(fleet.services), 4)
    use = workloads.resources[fleet.sites.service] * workloads.standing[:, None]
    room = fleet.pools.capacity[fleet.sites.pool] * fleet.pools.nodes[fleet.sites.pool][:, None]
    assert (use <= room).all()
    assert (workloads.standing <= workloads.replicas_max).all()
    assert (workloads.replicas_min <= workloads.replicas_max).all()
