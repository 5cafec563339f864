"""Many seeds: which of them break a rule, and whether a run can be repeated to the last bit."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.fuzz.palette import PALETTE
from simulator.fuzz.program import Program, program
from simulator.fuzz.watch import Verdict, Violation, watch
from simulator.workers import workers

REPEATED_EVERY = 100
"""Every so-manieth seed runs twice, and both traces must be the same."""


@dataclass(slots=True)
class Campaign:
    """What came of many seeds."""

    played: int = 0
    turns: int = 0
    repeated: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """How often each fault was injected."""
    failed: list[Verdict] = field(default_factory=list)

    def add(self, verdict: Verdict, twice: bool) -> None:
        """One more."""
        self.played += 1
        self.turns += verdict.turns
        self.repeated += twice
        self.faults.update(event["fault"] for event in verdict.program.events)
        if not verdict.clean:
            self.failed.append(verdict)

    def summary(self) -> dict[str, Any]:
        """For `-o json`."""
        return {
            "seeds": self.played,
            "failed": len(self.failed),
            "turns": self.turns,
            "repeated": self.repeated,
            "faults": {name: self.faults[name] for name in sorted(PALETTE)},
            "failures": [failure(verdict) for verdict in self.failed],
        }


def failure(verdict: Verdict) -> dict[str, object]:
    """A failed seed, with what is needed to see it again."""
    return {
        "seed": verdict.program.seed,
        "violations": [str(violation) for violation in verdict.violations],
        "replay": replay_line(verdict.program),
        "events": list(verdict.program.events),
    }


def replay_line(wanted: Program) -> str:
    """The command that plays exactly this program again: by its seed, and by its events where some were cut away."""
    line = f"equipoise fuzz --seeds 1 --start {wanted.seed}"
    whole = program(wanted.seed)
    if whole == wanted:
        return line
    events = json.dumps(list(wanted.events), separators=(",", ":"))
    return f"{line} --events '{events}'" + ("" if wanted.switches == whole.switches else " --no-switches")


def played(seed: int) -> tuple[Verdict, bool]:
    """One seed, some of them twice; a run that cannot be repeated is a failure."""
    verdict = watch(program(seed))
    if seed % REPEATED_EVERY:
        return verdict, False
    again = watch(program(seed))
    if again.trace != verdict.trace:
        why = Violation("repeats", 0.0, f"two runs differ: {verdict.trace[:12]} and {again.trace[:12]}")
        return Verdict(verdict.program, (why, *verdict.violations), verdict.trace, verdict.turns), True
    return verdict, True


def campaign(seeds: Iterable[int], processes: int = 1, seen: Callable[[Verdict], None] = lambda _: None) -> Campaign:
    """Play all seeds, `processes` at a time, in order. `seen` is told of each."""
    result = Campaign()
    for verdict, twice in _all(list(seeds), processes):
        result.add(verdict, twice)
        seen(verdict)
    return result


def _all(seeds: list[int], processes: int) -> Iterator[tuple[Verdict, bool]]:
    if processes <= 1 or len(seeds) < 2:
        yield from map(played, seeds)
        return
    with workers(processes) as pool:
        yield from pool.map(played, seeds, chunksize=4)
