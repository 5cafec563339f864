import pytest

from simulator.fuzz.palette import PALETTE
from simulator.fuzz.program import CALM_S, HEALED_S, program
from simulator.scenario.faults import FAULTS

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_program_of_any_seed_is_a_valid_scenario_whose_faults_heal(seed: int) -> None:
    loaded = program(seed).loaded()

    events = loaded.scenario.spec.events
    assert 1 <= len(events) <= 5
    assert all(event.at >= CALM_S and event.at + (event.lasts or 0) <= HEALED_S + 0.02 for event in events)


def test_program_of_one_seed_is_always_the_same() -> None:
    assert program(7) == program(7)
    assert program(7) != program(8)


def test_palette_when_compared_with_the_vocabulary_leaves_out_only_unions_of_others() -> None:
    named = {model.model_fields["fault"].annotation.__args__[0] for model in FAULTS}  # type: ignore[union-attr]

    assert named - set(PALETTE) == {"region-outage", "provider-outage", "gpu-preemption"}
    assert set(PALETTE) <= named
