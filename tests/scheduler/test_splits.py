"""Achieved splits: what is counted, since when, and what it says."""

import math

import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import floats
from placement.fleet import OriginId
from placement.weights import WeightTable, table_of
from scheduler.splits import SplitMeter

HOME = OriginId("home")


def table(east: int, version: int = 1) -> WeightTable:
    """`shop` in the east and in the west."""
    return table_of(HOME, 100, {"shop": {"east": (east, 0), "west": (100 - east, 0)}}, (1, version))


def sent(meter: SplitMeter, at_s: float, east: float, west: float, signal: Signal = Signal.SENT_RPS) -> None:
    """One report of rates."""
    keys = (("shop", "home", "east"), ("shop", "home", "west"))
    meter.hear(Batch(signal, "lrs:home", at_s, keys, floats(np.array([east, west]))))


def test_split_when_rates_follow_the_weights_is_achieved() -> None:
    meter = SplitMeter()
    meter.written(table(70), 0.0, 0.0)
    assert meter.verdict(HOME) is None
    for at_s in range(12):
        sent(meter, float(at_s), 70.0, 30.0)

    assert meter.verdict(HOME) is True
    assert meter.worst(HOME) == (0.0, 1_100)


def test_split_when_rates_follow_the_old_weights_is_not_achieved() -> None:
    meter = SplitMeter()
    meter.written(table(70), 0.0, 0.0)
    for at_s in range(12):
        sent(meter, float(at_s), 30.0, 70.0)

    assert meter.verdict(HOME) is False
    assert math.isclose(meter.worst(HOME)[0], 0.4)


def test_split_before_the_weights_settled_counts_for_nothing() -> None:
    meter = SplitMeter()
    meter.written(table(70), 0.0, 30.0)
    for at_s in range(31):
        sent(meter, float(at_s), 30.0, 70.0)
    assert meter.verdict(HOME) is None

    for at_s in range(31, 60):
        sent(meter, float(at_s), 70.0, 30.0)
    assert meter.verdict(HOME) is True


def test_split_goes_on_when_the_same_weights_are_written_again_and_begins_anew_with_others() -> None:
    meter = SplitMeter()
    meter.written(table(70), 0.0, 0.0)
    for at_s in range(12):
        sent(meter, float(at_s), 70.0, 30.0)

    meter.written(table(70, version=2), 12.0, 0.0)
    assert meter.verdict(HOME) is True
    meter.written(table(20, version=3), 12.0, 0.0)
    assert meter.verdict(HOME) is None


def test_split_of_nonsense_and_of_strangers_counts_for_nothing() -> None:
    meter = SplitMeter()
    sent(meter, 0.0, 1.0, 1.0)
    meter.written(table(70), 0.0, 0.0)
    for at_s in range(1, 9):
        sent(meter, float(at_s), math.nan, -5.0)
        sent(meter, float(at_s), 100.0, 100.0, Signal.DEMAND_RPS)

    assert meter.verdict(HOME) is None
    assert math.isnan(meter.worst(HOME)[0])
    assert meter.verdict(OriginId("nobody")) is None
