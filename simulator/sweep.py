"""Many runs at once, on Ray where there are enough of them to pay for its start, else one after the other."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.play import play
from simulator.results import Json, result_of
from simulator.scenario.load import Loaded

RAY_FROM_RUNS = 24
"""Ray takes seconds to start; below this many runs it saves none."""


@dataclass(frozen=True, slots=True)
class Run:
    """One thing to play."""

    words: str
    loaded: Loaded
    policy: str
    seed: int


def result_of_run(run: Run) -> Json:
    """Play it; a small value comes back."""
    return result_of(play(run.loaded, run.policy, run.seed)) | {"variant": run.words}


def sweep(
    runs: Sequence[Run],
    jobs: int = 1,
    address: str | None = None,
    tell: Callable[[str], None] = lambda _: None,
    ray_from: int = RAY_FROM_RUNS,
) -> list[Json]:
    """The results of some runs, in their order. `address` is of a Ray cluster; without one Ray is started here."""
    if address is None and (jobs <= 1 or len(runs) < ray_from):
        found = []
        for run in runs:
            found.append(result_of_run(run))
            tell(run.words)
        return found
    return _on_ray(runs, jobs, address, tell)


def _on_ray(runs: Sequence[Run], jobs: int, address: str | None, tell: Callable[[str], None]) -> list[Json]:
    """As many at once as there are processors; a run whose worker dies is played again by Ray."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray  # noqa: PLC0415  seconds and hundreds of megabytes; only who fans out pays

    owns = not ray.is_initialized()
    here: dict[str, Any] = {
        "address": "local", "num_cpus": jobs, "include_dashboard": False, "_node_ip_address": "127.0.0.1",
    }  # fmt: skip
    if owns:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **({"address": address} if address else here))
    try:
        remote = ray.remote(num_cpus=1, max_retries=2)(result_of_run)
        pending = [remote.remote(run) for run in runs]
        words = {reference: run.words for reference, run in zip(pending, runs, strict=True)}
        waiting = list(pending)
        while waiting:
            done, waiting = ray.wait(waiting)
            tell(words[done[0]])
        answers: list[Json] = ray.get(pending)
        return answers
    finally:
        if owns:
            ray.shutdown()
