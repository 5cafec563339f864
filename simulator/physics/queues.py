"""Waiting and refusing at back ends: a fluid queue with a short memory, and the wait of a stable one.

A back end of k slots serves up to K requests/s. What comes on top waits; more than `queue_s` seconds of work never
waits, it is turned away. Requests whose client gave up are served all the same: that work is wasted, and with clients
that try again it is what keeps an overload alive after its cause is gone (Bronson et al., Metastable Failures in
Distributed Systems, HotOS 2021).
"""

import numpy as np

from placement.columns import Floats

FULL = 0.98
"""Utilization beyond which the wait of a stable queue is no longer a forecast: from there the backlog speaks."""


def waiting_ms(utilization: Floats, service_ms: Floats, slots: Floats, variability: Floats) -> Floats:
    """Mean wait of M/G/k after Sakasegawa, "An approximation formula L_q = a rho^b / (1 - rho)" (1977), with the usual
    factor for a service time of another `variability` (its squared coefficient of variation) than an exponential one.
    """
    rho = np.clip(utilization, 0.0, FULL)
    exponential_ms = service_ms * rho ** (np.sqrt(2 * (slots + 1)) - 1) / (slots * (1 - rho))
    return np.asarray(exponential_ms * (1 + variability) / 2, dtype=np.float64)


def flow_through(
    load_rps: Floats, capacity_rps: Floats, backlog: Floats, queue_s: float, step_s: float
) -> tuple[Floats, Floats, Floats]:
    """(part of the load that is served, backlog after the step, seconds that the backlog takes), all of them (B,).

    `backlog` is in requests. Nothing is served without capacity.
    """
    work = backlog + load_rps * step_s
    done = np.minimum(work, capacity_rps * step_s)
    left = np.minimum(work - done, capacity_rps * queue_s)
    turned_away = work - done - left
    served = np.clip(1 - turned_away / np.maximum(load_rps * step_s, 1e-12), 0.0, 1.0)
    served = np.where(capacity_rps > 0, served, 0.0)
    wait_s = np.divide(0.5 * (backlog + left), capacity_rps, out=np.zeros_like(left), where=capacity_rps > 0)
    return served, left, wait_s


def timely(latency_ms: Floats, timeout_s: float) -> Floats:
    """Part of requests answered in time, from their mean latency: 1 well below the timeout, 0 well above."""
    return np.asarray(np.clip((1.25 - latency_ms / (1e3 * timeout_s)) / 0.5, 0.0, 1.0), dtype=np.float64)


def amplified(fail_ratio: Floats, retries: int, budget: float) -> Floats:
    """Retries per request when each attempt fails with this ratio, within a budget in parts of the requests."""
    powers = np.sum([fail_ratio**i for i in range(1, retries + 1)], axis=0) if retries else np.zeros_like(fail_ratio)
    return np.minimum(powers, budget)


def approached(now: Floats, aim: Floats, step_s: float, time_s: float) -> Floats:
    """`now` on its exponential way to `aim`; two thirds of it are made in `time_s`."""
    part = 1.0 if time_s <= 0 else 1 - np.exp(-step_s / time_s)
    return np.asarray(now + part * (aim - now), dtype=np.float64)
