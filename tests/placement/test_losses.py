import numpy as np
import pytest

from placement.cost import loads
from placement.losses import after, domains, losses, of_clusters, of_usable, pair
from placement.problem import Prices, formulate
from placement.routing import Routing
from simulator.trio import declared, trio
from tests.placement.fleets import problem_of, snapshot_of, tiered


def test_domains_name_every_cluster_and_every_shared_region_and_provider() -> None:
    names = [str(loss) for loss in domains(problem_of(0, clusters=7).fleet)]

    assert names[:7] == [f"cluster cluster-{i:03d}" for i in range(7)]
    assert "region region-000" in names
    assert "region region-002" not in names, "a region of one cluster is that cluster"


def test_losses_of_a_fleet_cover_every_cluster_gateway_and_tier_once() -> None:
    fleet = trio()

    names = [str(loss) for loss in losses(fleet)]

    assert len(names) == len(set(names))
    assert {"cluster ams", "gateway fra", "tier front/ams", "tier back/iad"} <= set(names)
    assert len(names) == 3 + 3 + 6


def test_losses_of_a_tier_in_a_region_take_its_backends_there_and_no_others() -> None:
    fleet = problem_of(3, services=8, clusters=7).fleet

    for loss in losses(fleet):
        service, _, place = loss.name.partition("/")
        if loss.kind == "tier" and place.startswith("region"):
            here = {fleet.clusters.region[c] for c in fleet.backends.cluster[loss.backends].tolist()}
            assert here == {place}
            assert {fleet.services.ids[s] for s in fleet.backends.service[loss.backends].tolist()} == {service}


@pytest.mark.parametrize("seed", range(6))
def test_after_a_loss_of_clusters_equals_a_problem_formulated_without_them(seed: int) -> None:
    problem = problem_of(seed)
    gone = np.arange(len(problem.fleet.clusters)) == seed % 4
    readings_problem = after(problem, of_clusters(problem.fleet, "cluster", "x", gone))
    fleet = trio()
    base = formulate(fleet, snapshot_of(fleet, declared(fleet)), Prices())
    lost = np.arange(3) == seed % 3

    found = after(base, of_clusters(fleet, "cluster", "x", lost))
    wanted = formulate(fleet, snapshot_of(fleet, declared(fleet)), Prices(), lost)

    for name in ("external_rps", "demand_rps", "capacity_rps", "shed_usd", "churn_usd"):
        assert getattr(found, name) == pytest.approx(getattr(wanted, name)), name
    assert found.routes.usd == pytest.approx(wanted.routes.usd)
    assert found.pieces.rps == pytest.approx(wanted.pieces.rps)
    assert readings_problem.external_rps.sum() == pytest.approx(problem.external_rps.sum(), abs=1e-3 * len(gone) * 10)


def test_after_a_gateway_loss_a_cluster_is_offered_to_its_own_mesh_only() -> None:
    problem = tiered(1)
    fleet = problem.fleet
    loss = next(x for x in losses(fleet) if x.kind == "gateway")

    routes = after(problem, loss).routes

    home = fleet.origins.cluster[fleet.flows.origin[routes.flow]]
    into = np.isin(routes.cluster, loss.gateways)
    assert into.any()
    assert (home[into] == routes.cluster[into]).all()


def test_pair_of_losses_takes_what_either_takes() -> None:
    one, other, *_ = losses(trio())

    both = pair(one, other)

    assert both.clusters.tolist() == (one.clusters | other.clusters).tolist()
    assert set(both.backends) == {*one.backends.tolist(), *other.backends.tolist()}


def test_of_usable_when_one_tier_is_out_loses_no_mesh() -> None:
    fleet = trio()
    usable = np.arange(6) != 2

    loss = of_usable(fleet, usable)

    assert not loss.clusters.any()
    assert loss.backends.tolist() == [2]


def test_after_a_loss_called_demand_follows_the_standing_routing() -> None:
    problem = tiered(2)
    left = after(problem, of_usable(problem.fleet, problem.fleet.backends.cluster != 0))
    standing: Routing = left.standing

    assert left.demand_rps == pytest.approx(loads(left, standing).demand_rps)
