from dataclasses import replace

import numpy as np

from health.states import State as Verdict
from placement.columns import floats
from placement.fleet import ClusterId
from scheduler.loop import tick
from scheduler.state import adopt
from simulator.trio import declared, trio
from tests.scheduler.ports import bench


async def test_adopt_when_only_a_price_changed_keeps_verdicts_readings_and_routing() -> None:
    b = bench()
    b.measure()
    b.probe(dead="fra")
    state, _ = await tick(b.state, b.ports, b.policy)
    fleet = replace(b.fleet, sites=replace(b.fleet.sites, usd_per_replica_hour=floats(np.full(6, 9.0))))

    after = adopt(state, fleet, declared(fleet), 10.0)

    assert after.verdicts.state.tolist() == state.verdicts.state.tolist()
    assert after.readings.demand_rps.tolist() == state.readings.demand_rps.tolist()
    assert np.abs(after.routing.dense() - state.routing.dense()).max() < 1 / b.policy.rounding.unit


async def test_adopt_when_a_cluster_is_renamed_starts_it_up_and_keeps_the_others() -> None:
    b = bench()
    b.measure()
    state, _ = await tick(b.state, b.ports, b.policy)
    fleet = trio()
    renamed = tuple(ClusterId("lhr") if c == "fra" else c for c in fleet.clusters.ids)
    fleet = replace(fleet, clusters=replace(fleet.clusters, ids=renamed))

    after = adopt(state, fleet, declared(fleet), 10.0)

    assert (after.verdicts.state == Verdict.UP).all()
    assert len(after.routing) == len(fleet.flows)
    assert after.problem is None
