import numpy as np
import pytest

from benchmarks.fleet import OURS, p95_ms, play
from benchmarks.policy_fleets.instances import DataAbsentError, data_folder
from benchmarks.realfleet.build import Day, real_fleet
from benchmarks.realfleet.places import clusters, round_trips_ms, transfer_usd_per_gb, users
from benchmarks.realfleet.prices import nodes
from benchmarks.realfleet.services import traced
from placement.policies.loaded import value_greedy

try:
    DATA = data_folder().parent
except DataAbsentError as absent:
    pytest.skip(str(absent), allow_module_level=True)


@pytest.fixture(scope="module", name="day")
def a_day() -> Day:
    return real_fleet(DATA)


def test_fleet_when_built_has_three_clouds_and_keeps_every_invariant(day: Day) -> None:
    fleet = day.fleet

    assert set(fleet.clusters.provider) == {"aws", "azure", "gcp"}
    assert len(fleet.clusters) == 32
    assert len(fleet.services) == 48
    assert {"general", "l4", "a100", "h100"} == set(fleet.pools.node_type)
    hosted = fleet.allowed[fleet.backends.service, fleet.backends.cluster]
    assert hosted.all(), "nothing stands where it may not"
    assert np.isfinite(fleet.network.rtt_ms).all()
    assert (fleet.network.rtt_ms > 0).all()


def test_readings_of_every_hour_are_finite_and_fit_what_was_bought(day: Day) -> None:
    totals = [readings.demand_rps.sum() for readings in day.readings]

    assert len(totals) == 24
    assert max(totals) > 1.1 * min(totals), "a day has its hours"
    capacity = np.bincount(day.fleet.backends.service, weights=day.readings[0].capacity_rps)
    for readings in day.readings:
        assert (readings.demand_rps >= 0).all()
        asked = np.bincount(day.fleet.flows.service, weights=readings.demand_rps, minlength=len(capacity))
        assert (asked <= capacity).all()


def test_nodes_when_on_a_list_cost_what_it_says() -> None:
    places = clusters(DATA)
    sold = {
        p.name: {n.node_type: n.usd_per_hour for n in found}
        for p, found in zip(places, nodes(DATA, places), strict=True)
    }

    assert sold["azure-eastus"]["a100"] == 3.673
    assert sold["azure-brazilsouth"]["a100"] == 7.346
    assert sold["aws-us-east-1"] == {"general": 0.384, "l4": 2.0144, "h100": 6.88, "a100": pytest.approx(27.44705 / 8)}
    assert "h100" not in sold["azure-brazilsouth"]


def test_round_trips_when_measured_are_those_of_the_table() -> None:
    places, clients = clusters(DATA), users(DATA)
    rtt, measured = round_trips_ms(DATA, places + clients, places)
    row = {p.name: i for i, p in enumerate(places + clients)}

    assert rtt[row["aws-us-east-1"], row["aws-us-east-1"]] < 1
    assert rtt[row["users-eastus"], row["azure-westeurope"]] == rtt[row["azure-eastus"], row["azure-westeurope"]]
    assert 0.3 < measured < 0.4


def test_transfer_when_it_leaves_a_provider_costs_the_internet_price() -> None:
    places, clients = clusters(DATA), users(DATA)
    usd = transfer_usd_per_gb(DATA, places, places + clients)
    row = {p.name: i for i, p in enumerate(places + clients)}

    assert usd[row["aws-us-east-1"], row["aws-us-east-1"]] == 0
    assert usd[row["aws-us-east-1"], row["aws-eu-west-1"]] == 0.02
    assert usd[row["aws-us-east-1"], row["azure-eastus"]] == usd[row["aws-us-east-1"], row["users-eastus"]] == 0.09


def test_traced_models_when_averaged_match_the_published_trace() -> None:
    conversation, code = traced(DATA)

    assert (round(conversation.prompt_tokens), round(conversation.output_tokens)) == (1155, 211)
    assert (round(code.prompt_tokens), round(code.output_tokens)) == (2048, 28)
    assert conversation.rps("h100") == 2 * conversation.rps("a100")


def test_play_when_an_hour_is_solved_costs_less_than_a_greedy_policy_and_proves_it(day: Day) -> None:
    hour = Day(day.fleet, day.readings[18:19], day.kind, day.rtt_measured)

    records, plans = play(hour, {"value_greedy": value_greedy})

    ours, greedy = (records[name].cost[0].objective_usd_per_hour for name in (OURS, "value_greedy"))
    assert ours < greedy
    assert plans[OURS][0].gap == pytest.approx(0, abs=1e-6)
    assert 50 < p95_ms(records[OURS], model=False) < 300 < p95_ms(records[OURS], model=True)
