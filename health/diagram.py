"""The page on verdicts, drawn from the tables the code follows: `python -m health.diagram > docs/verdicts.md`."""

import sys
from collections.abc import Iterable
from dataclasses import fields

from health import doubt
from health.gray import GRAY_CONDITIONS, GRAY_MEANINGS, GRAY_TRANSITIONS, KEPT, Gray
from health.rules import Rules
from health.states import CONDITIONS, MEANINGS, TRANSITIONS, State
from health.verdict import RAMP

INTRODUCTION = """\
# Verdicts

A verdict is what Equipoise believes of one backend (a service in a cluster). Probes and clients are the evidence; a
pure state machine turns evidence into belief. The way out is never damped: what is condemned is out at once, and its
routing comes from the failover table. The way back is slow on purpose: enough successes in a row, a hold-down that
doubles with every fall, then a ramp.

A quorum of vantages condemns after `fall` misses in a row each, or after `fall_disputed` while another vantage still
gets answers: a fault is seen by everybody, a lossy path by one. A vantage that is silent, or blind to much that the
others see, is left out; of several vantages at least two must see, or no probe condemns.

Where `probe.gateways` of a Service names the gateway of a cluster, requests are probed through it and past it. While
endpoints answer and nothing in the cluster is reached by the gateway, it is the gateway that is out: it has a verdict
of its own by the same state machine, with the same budgets, and takes the row `gateway X` of the failover table.
Whoever is inside the cluster stays. What clients miss there is then the gateway's: backends that they condemned
together with it are back in service at once (`explained`).
"""

ARROWS = """\
Of several arrows that leave a state, the first one listed whose condition holds is taken. An operator sets and lifts
`DRAINING` and `FROZEN` by hand; no probe leads into `FROZEN` or out of it.
"""


RETURN = """\
The ramp of a returned backend gives it {ramp} of its capacity; every step but the last takes the same part of `ramp_s`
(per service: `rampSeconds`). Whoever falls more than `suppress_above` times, each fall counted less as it ages, stays
out until that is below `reuse_below`.
"""

GRAY = """\
## Gray failures

Probes are content and a part of the requests fails. Clients' word moves load away in steps, and each step is checked:
a backend keeps {kept} of its load. The number on an arrow is the steps it takes away from the backend.
"""


def diagram() -> str:
    """TRANSITIONS as a Mermaid state diagram."""
    arrows = "\n".join(f"    {source.name} --> {target.name}: {when}" for source, when, target in TRANSITIONS)
    return f"stateDiagram-v2\n    [*] --> {State.UP.name}\n{arrows}\n"


def gray_diagram() -> str:
    """GRAY_TRANSITIONS as a Mermaid state diagram."""
    arrows = "\n".join(f"    {a.source.name} --> {a.target.name}: {a.when} {a.steps:+d}" for a in GRAY_TRANSITIONS)
    return f"stateDiagram-v2\n    [*] --> {Gray.CLEAR.name}\n{arrows}\n"


def table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """Two columns in Markdown."""
    lines = [f"| {left} | {right} |" for left, right in (head, ("---", "---"), *rows)]
    return "\n".join(lines) + "\n"


def coded(words: Iterable[tuple[str, object]]) -> Iterable[tuple[str, str]]:
    """Rows whose first column is code."""
    return ((f"`{name}`", f"{text}") for name, text in words)


def ladder(parts: Iterable[float]) -> str:
    """Parts of a whole, in words."""
    return ", ".join(f"{part:.0%}" for part in parts)


def page() -> str:
    """The whole of docs/verdicts.md."""
    return "\n".join(
        [
            INTRODUCTION,
            f"```mermaid\n{diagram()}```\n",
            ARROWS,
            "## States\n",
            table(("State", "Meaning"), coded((state.name, text) for state, text in MEANINGS.items())),
            "## Conditions\n",
            table(("Condition", "Holds when"), coded(CONDITIONS.items())),
            RETURN.format(ramp=ladder(RAMP)),
            "## Doubts\n",
            doubt.__doc__ or "",
            GRAY.format(kept=ladder(KEPT)),
            f"```mermaid\n{gray_diagram()}```\n",
            table(("State", "Meaning"), coded((state.name, text) for state, text in GRAY_MEANINGS.items())),
            table(("Condition", "Holds when"), coded(GRAY_CONDITIONS.items())),
            "## Rules\n",
            table(("Rule", "Default"), coded((rule.name, rounded(rule.default)) for rule in fields(Rules))),
        ]
    )


def rounded(value: object) -> object:
    """A number as people write it."""
    return f"{value:.4g}" if isinstance(value, float) else value


if __name__ == "__main__":
    sys.stdout.write(page())
