"""Weights become HAProxy's 0..256 with a bounded error, and what HAProxy has becomes a table again."""

from dataclasses import replace

import numpy as np
import pytest

from connectors.connector import Refused
from connectors.haproxy.programmed import Programmed, Server, entries_of, servers_of
from connectors.haproxy.rows import entries_of_table, fence_of, row_of, table_of_rows
from connectors.haproxy.translation import goal, row_in_force, server_weights
from placement.fleet import ClusterId, ServiceId
from placement.weights import table_of
from tests.connectors.haproxy.answers import EAST, MAP, STATE, WEST, spec

NOW = Programmed(servers_of(STATE, frozenset({"shop"})), entries_of(MAP))


def test_server_weights_of_round_shares_are_exact_and_small() -> None:
    assert server_weights(np.array([6_000.0, 3_000.0, 1_000.0])).tolist() == [6, 3, 1]
    assert server_weights(np.array([0.0, 10_000.0])).tolist() == [0, 1]
    assert server_weights(np.zeros(3)).tolist() == [0, 0, 0]


def test_server_weights_of_any_shares_are_within_their_bound_and_keep_what_is_above_nothing() -> None:
    dice = np.random.default_rng(4)
    for count in (2, 3, 5, 10):
        for _ in range(200):
            wanted = np.asarray(dice.multinomial(10_000, dice.dirichlet(np.ones(count))), dtype=np.float64)
            found = server_weights(wanted)
            error = np.abs(found / found.sum() - wanted / 10_000).max()
            assert 0 <= found.min() <= found.max() <= 256
            assert ((found > 0) == (wanted > 0)).all(), f"seed 4: {wanted}"
            assert error <= count / 512, f"seed 4: {wanted} became {found}"


def test_goal_spreads_a_cluster_evenly_over_its_endpoints() -> None:
    shop, second = ServiceId("shop"), ("10.0.0.3", 80)
    wide = replace(spec(), endpoints={(shop, ClusterId("east")): (EAST, second), (shop, ClusterId("west")): (WEST,)})
    now = replace(NOW, servers=NOW.servers | {("shop", "east.2"): Server(1, second, in_use=True)})

    found = goal(table_of("home", 10_000, {"shop": {"east": (5_000, 0), "west": (5_000, 0)}}), wide, now)

    assert [found.servers["shop", name].weight for name in ("east.1", "east.2", "west.1")] == [1, 1, 2]


def test_goal_leaves_maintenance_of_a_weighted_server_to_its_operator() -> None:
    drained = NOW.servers["shop", "east.1"]._replace(in_use=False)
    now = replace(NOW, servers=NOW.servers | {("shop", "east.1"): drained})

    found = goal(table_of("home", 10_000, {"shop": {"east": (10_000, 0)}}), spec(), now)

    assert found.servers["shop", "east.1"] == Server(1, EAST, in_use=False)


def test_goal_with_an_unknown_cluster_or_a_server_that_is_missing_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="no endpoint of shop in mars"):
        goal(table_of("home", 10_000, {"shop": {"mars": (10_000, 0)}}), spec(), NOW)
    with pytest.raises(Refused, match=r"no server shop/east\.1"):
        goal(table_of("home", 10_000, {"shop": {"east": (10_000, 0)}}), spec(), Programmed({}, {}))


def test_table_survives_the_way_through_the_map() -> None:
    written = table_of("home", 10_000, {"shop": {"east": (6_000, 0), "west": (0, 1)}}, (3, 9))
    entries = entries_of_table(written)
    fence = fence_of(entries)

    assert fence is not None
    read = table_of_rows("home", fence, {"shop": row_of(entries["shop"])})

    assert (read.content(), read.fence) == (written.content(), (3, 9))
    assert entries["shop"].startswith("400000,4000,")


def test_weights_that_somebody_set_by_hand_are_read_as_they_are() -> None:
    row = {"east": (6_000, 0), "west": (2_000, 0)}

    found = row_in_force("shop", row, 2_000, 10_000, spec(), NOW)

    assert found == {"east": (6_400, 0), "west": (1_600, 0)}
