"""The page on verdicts, drawn from the tables the code follows: `python -m health.diagram > docs/verdicts.md`."""

import sys
from collections.abc import Iterable
from dataclasses import fields

from health.verdict import CONDITIONS, MEANINGS, TRANSITIONS, Rules, State

INTRODUCTION = """\
# Verdicts

A verdict is what Equipoise believes of one backend (a service in a cluster). Probes are the evidence; a pure state
machine turns evidence into belief. The way out is never damped: what a quorum of vantages condemns is out at once,
and its routing comes from the failover table. The way back is slow on purpose: enough successes in a row, a hold-down
that doubles with every fall, then a ramp.

When more than `panic_ratio` of the clusters, or of the backends of one service, would be out, the probes are doubted:
nobody new goes out, and what is out stays out.
"""

ARROWS = """\
Of several arrows that leave a state, the first one listed whose condition holds is taken. An operator sets and lifts
`DRAINING` and `FROZEN` by hand; no probe leads into `FROZEN` or out of it.
"""


def diagram() -> str:
    """TRANSITIONS as a Mermaid state diagram."""
    arrows = "\n".join(f"    {source.name} --> {target.name}: {when}" for source, when, target in TRANSITIONS)
    return f"stateDiagram-v2\n    [*] --> {State.UP.name}\n{arrows}\n"


def table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """Two columns in Markdown."""
    lines = [f"| {left} | {right} |" for left, right in (head, ("---", "---"), *rows)]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole of docs/verdicts.md."""
    states = table(("State", "Meaning"), ((f"`{state.name}`", text) for state, text in MEANINGS.items()))
    conditions = table(("Condition", "Holds when"), ((f"`{name}`", text) for name, text in CONDITIONS.items()))
    rules = table(("Rule", "Default"), ((f"`{rule.name}`", f"{rule.default}") for rule in fields(Rules)))
    return "\n".join(
        [
            INTRODUCTION,
            f"```mermaid\n{diagram()}```\n",
            ARROWS,
            "## States\n",
            states,
            "## Conditions\n",
            conditions,
            "## Rules\n",
            rules,
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(page())
