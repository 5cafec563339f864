import numpy as np
import pytest

from placement.columns import floats
from placement.forecast import FIRST_ERROR, Forecast, first_forecast, load_error, next_forecast
from placement.routing import from_dense
from simulator.trio import trio


def watched(seen: np.ndarray) -> list[Forecast]:
    """A forecast after every row of (T, F) demand."""
    out = [first_forecast(floats(seen[0]))]
    for row in seen[1:]:
        out.append(next_forecast(out[-1], floats(row)))
    return out


def drifting(seed: int, noise: float, flows: int = 60, steps: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """True and seen (T, F) demand: a random walk of 5 % a step, seen with an error."""
    rng = np.random.default_rng(seed)
    true = 100 * np.exp(np.cumsum(0.05 * rng.standard_normal((steps, flows)), axis=0))
    return true, true * np.exp(noise * rng.standard_normal(true.shape))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.15, 0.3])
def test_forecast_of_noisy_demand_is_nearer_the_truth_than_what_was_seen_and_knows_its_error(
    seed: int, noise: float
) -> None:
    true, seen = drifting(seed, noise)

    late = slice(30, None)
    believed = watched(seen)[late]
    wrong = np.log(np.array([f.rps for f in believed]) / true[late])

    assert np.sqrt((wrong**2).mean()) < 0.8 * noise
    claimed = np.sqrt(np.mean([f.error**2 for f in believed]))
    assert claimed == pytest.approx(np.sqrt((wrong**2).mean()), rel=0.25)


def test_forecast_of_exact_demand_believes_what_it_sees() -> None:
    true, _ = drifting(0, 0.0)

    last = watched(true)[-1]

    assert np.abs(np.log(last.rps / true[-1])).max() < 0.05


def test_forecast_in_a_flash_crowd_believes_it_at_once() -> None:
    _, seen = drifting(1, 0.05)
    seen[60:] *= 3

    assert watched(seen[:61])[-1].rps == pytest.approx(seen[60], rel=0.1)


def test_forecast_before_there_were_changes_assumes_a_usual_error() -> None:
    assert first_forecast(floats([3.0, 4.0])).error.tolist() == [FIRST_ERROR, FIRST_ERROR]


def test_load_error_averages_out_where_flows_meet_and_follows_the_call_graph() -> None:
    """Three equal flows meet in iad, so their error falls by the root of three, and the child there has the same."""
    fleet = trio()
    everything_in_iad = from_dense(np.tile([0.0, 0.0, 1.0, 0.0], (6, 1)))
    rps = np.array([50.0, 50.0, 50.0, 1e-9, 1e-9, 1e-9])

    error = load_error(fleet, floats(rps), everything_in_iad, floats(np.full(6, 0.3)))

    expected = 0.3 / np.sqrt(3)
    assert error[2] == pytest.approx(expected)
    assert error[5] == pytest.approx(expected)


def test_error_when_most_flows_are_silent_is_that_of_the_flows_that_speak() -> None:
    _, seen = drifting(0, 0.15, flows=20)
    silent = np.full((len(seen), 60), 1e-3)

    alone, among = watched(seen)[-1], watched(np.hstack([seen, silent]))[-1]

    np.testing.assert_allclose(among.error[:20], alone.error)
    np.testing.assert_allclose(among.rps[:20], alone.rps)
