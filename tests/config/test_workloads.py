from pathlib import Path

import numpy as np

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
    assert dict(zip(fleet.services.ids, workloads.spread_max.tolist(), strict=True))["storefront"] == 0.8


def test_links_of_the_example_are_bytes_per_second_of_one_origin_and_cluster() -> None:
    fleet = fleet_of(load(EXAMPLE))

    limit = fleet.network.link_bytes

    assert limit is not None
    at = fleet.origins.ids.index("us-east"), fleet.clusters.ids.index("eu-central")
    assert limit[at] == 10_000e6 / 8
    assert np.isfinite(limit).sum() == sum(fleet.origins.cluster == fleet.clusters.ids.index("us-east"))
