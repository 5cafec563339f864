"""The smallest program that still breaks a rule: delta debugging (Zeller, Hildebrandt; IEEE TSE 28-2, 2002)."""

from collections.abc import Callable
from dataclasses import replace

from simulator.fuzz.program import Program
from simulator.fuzz.watch import Verdict, watch

PLAYS_MAX = 60
"""Most runs that a shrink may take."""


def shrunk(found: Verdict, play: Callable[[Program], Verdict] = watch) -> Verdict:
    """The verdict of a smaller program of the same seed that breaks the rule that `found` broke first."""
    assert not found.clean, "there is nothing to shrink in a clean run"
    rule, best, plays = found.violations[0].rule, found, 0
    improved = True
    while improved:
        improved = False
        for candidate in _smaller(best.program):
            if plays >= PLAYS_MAX:
                return best
            plays += 1
            verdict = play(candidate)
            if any(violation.rule == rule for violation in verdict.violations):
                best, improved = verdict, True
                break
    return best


def _smaller(program: Program) -> list[Program]:
    """Programs with one thing less, the largest part first: switches, half of the events, one event, half of a time."""
    events = program.events
    less = [replace(program, switches=())] if program.switches else []
    half = len(events) // 2
    cuts = [events[:half], events[half:]] if half else []
    cuts += [events[:i] + events[i + 1 :] for i in range(len(events))]
    less += [program.only(kept) for kept in cuts]
    for i, event in enumerate(events):
        lasts_s = float(event["for"][:-1]) / 2
        if lasts_s >= 1:
            less.append(program.only((*events[:i], event | {"for": f"{lasts_s:.2f}s"}, *events[i + 1 :])))
    return less
