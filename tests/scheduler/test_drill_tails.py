import numpy as np

from connectors.telemetry import Batch, Signal
from placement.columns import floats
from scheduler.drill_tails import OLD_S, TailMeter
from simulator.trio import trio


def test_tail_is_that_of_clients_where_telemetry_has_it_and_of_probes_elsewhere() -> None:
    fleet = trio()
    probed = floats(np.arange(len(fleet.backends), dtype=float))
    meter = TailMeter(lambda: probed)
    meter.hear(Batch(Signal.LATENCY_P95_MS, "p", 100.0, (("front", "fra"), ("front", "ams")), floats([80.0, np.nan])))
    meter.hear(Batch(Signal.LATENCY_MS, "p", 100.0, (("front", "iad"),), floats([999.0])))

    fresh, later = meter.ms(fleet, 101.0), meter.ms(fleet, 101.0 + OLD_S)

    names = [fleet.backend_name(b) for b in range(len(fleet.backends))]
    assert fresh[names.index("front/fra")] == 80.0
    assert np.delete(fresh, names.index("front/fra")).tolist() == np.delete(probed, names.index("front/fra")).tolist()
    assert later.tolist() == probed.tolist()
