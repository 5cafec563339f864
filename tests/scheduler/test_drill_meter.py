import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import floats
from scheduler.drill_meter import SentMeter
from simulator.trio import trio

KEYS = (("front", "ams", "fra"), ("front", "ams", "ams"), ("front", "iad", "fra"), ("front", "ams", "mars"))


def said(at_s: float, *rps: float, signal: Signal = Signal.SENT_RPS) -> Batch:
    return Batch(signal, "test", at_s, KEYS[: len(rps)], floats(rps))


def meter() -> SentMeter:
    made = SentMeter()
    made.follow(trio())
    return made


def test_meter_adds_up_what_all_origins_send_to_a_backend_and_leaves_out_what_it_does_not_know() -> None:
    m = meter()
    m.hear(said(1.0, 10.0, 20.0, 5.0, 7.0))
    m.hear(said(1.0, 99.0, signal=Signal.DEMAND_RPS))
    m.hear(said(1.0, np.nan))

    found = m.rps(1.5)

    assert found is not None
    assert found.tolist() == [20.0, 15.0, 0.0, 0.0, 0.0, 0.0]


def test_meter_when_smoothed_follows_slowly_and_otherwise_at_once() -> None:
    m = meter()
    m.hear(said(0.0, 100.0))
    m.hear(said(1.0, 0.0))

    now, smooth = m.rps(1.0), m.smooth_rps(1.0)

    assert now is not None
    assert smooth is not None
    assert now[1] == 0.0
    assert 70.0 < smooth[1] < 80.0


def test_meter_when_nobody_says_anything_knows_nothing() -> None:
    m = meter()
    m.hear(said(0.0, 100.0))

    assert m.rps(6.0) is None
    m.rest()
    m.hear(said(7.0, 100.0))
    assert m.rps(7.0) is None
