"""Assignments from a process of its own are those of this one."""

import numpy as np

from placement.workloads import PlacingPrices
from scheduler.assigned import Spread
from scheduler.placing_apart import Placing
from tests.scheduler.test_placer import FLEET, NOTHING_LOST, seen, workloads_for


def test_assignment_from_a_process_of_its_own_is_the_same_and_of_our_own_fleet() -> None:
    asked = FLEET, workloads_for(FLEET), PlacingPrices(), Spread()
    here, there = Placing(*asked), Placing(*asked, apart_from_flows=0)
    try:
        for factor in (1.0, 1.2):
            ours, theirs = (each.follow(seen(factor), NOTHING_LOST) for each in (here, there))
            assert np.allclose(theirs.assignment.replicas, ours.assignment.replicas)
            assert (theirs.how, theirs.where, theirs.losses) == (ours.how, ours.where, ours.losses)
            assert theirs.fleet is FLEET, "who follows it looks whether it is of the fleet of now"
    finally:
        for each in (here, there):
            each.close()
