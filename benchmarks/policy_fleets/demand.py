"""What users ask for, what a controller sees of it, and which steps a situation plays."""

from dataclasses import dataclass

import numpy as np

from benchmarks.policy_fleets.instances import STEPS, WINDOW, Instance
from placement.columns import Floats, Ints

HARMONICS = (3, 7, 13, 29, 53)
FIRST_MINUTE = 0.1
"""Of a step: what passes before a controller has answered."""
FLASH = 3.0


@dataclass(frozen=True, slots=True)
class Slots:
    """(N,) pieces of time with one demand each; the first minute of a surprise is a slot of its own."""

    weight: Floats
    """(N,) part of the window; sums to 1."""
    demand_rps: Floats
    """(N, A, O) true."""
    seen_rps: Floats
    """(N, A, O) what a controller had seen one minute before, without its error; for the first minute of a surprise
    the undisturbed demand of the step before it."""


def expected(instance: Instance, step: Ints) -> Floats:
    """(N, A, O) rps that the profiles say of steps of ten minutes, UTC: what yesterday teaches of today."""
    hour = (step[:, None] / 6 + instance.utc_offset_h) % 24
    low = np.floor(hour).astype(np.int64)
    part = (hour - low)[:, None, :]
    low = low % 24
    shape = instance.profile[:, low].transpose(1, 0, 2) * (1 - part)
    shape = shape + instance.profile[:, (low + 1) % 24].transpose(1, 0, 2) * part
    return np.asarray(instance.mean_rps * shape, dtype=np.float64)


def rates(instance: Instance, step: Ints) -> Floats:
    """(N, A, O) rps at steps of ten minutes, UTC; the formula of the study."""
    apps, origins = instance.mean_rps.shape
    base = 7919 * np.arange(apps)[:, None] + 104729 * np.arange(origins) + 1299709 * instance.seed
    x = np.zeros((len(step), apps, origins))
    for k, f in enumerate(HARMONICS, start=1):
        phase = (base * (k * 0.6180339887498949)) % 1.0
        x += np.sqrt(0.4) * np.sin(2 * np.pi * (f * step[:, None, None] / STEPS + phase))
    return np.asarray(expected(instance, step) * np.exp(0.1 * x - 0.005), dtype=np.float64)


def slots(instance: Instance, situation: str, first: int = 0, steps: int = STEPS) -> Slots:
    """The steps of a situation; fewer `steps` from the `first` on cut a day short, for a quick look."""
    if situation in ("loss", "flash"):
        return _window(instance, situation)
    step = np.arange(first, STEPS, 1 if situation == "normal" else 2)[:steps]
    now, before = rates(instance, step), rates(instance, (step - 1) % STEPS)
    return Slots(np.full(len(step), 1 / len(step)), now, 0.9 * now + 0.1 * before)


def blocks(time: Slots, many: int) -> list[tuple[Ints, Slots]]:
    """A day in parts: (the slots of each, and those slots; weights still sum to 1 over the day)."""
    parts = np.array_split(np.arange(len(time.weight)), many)
    return [(part, Slots(time.weight[part], time.demand_rps[part], time.seen_rps[part])) for part in parts]


def _window(instance: Instance, situation: str) -> Slots:
    """Two hours in twelve steps, the first minute apart."""
    step = (int(instance.situation[f"{situation}_start_step"]) + np.arange(WINDOW)) % STEPS
    now, before = rates(instance, step), rates(instance, (step - 1) % STEPS)
    undisturbed = before[:1].copy()
    if situation == "flash":
        where = instance.origin.index(instance.situation["flash_origin"])
        now[:, :, where] *= FLASH
        before[1:, :, where] *= FLASH
    seen = 0.9 * now + 0.1 * before
    first = np.full(1, FIRST_MINUTE)
    weight = np.concatenate([first, 1 - first, np.ones(WINDOW - 1)]) / WINDOW
    return Slots(weight, np.concatenate([now[:1], now]), np.concatenate([undisturbed, seen]))
