"""The tables of docs/drills.md, drawn from those that the code follows: `python -m health.drill_diagram`."""

import sys

from health.diagram import table
from health.drill import CONDITIONS, LEVELS, MEANINGS, TRANSITIONS, Phase


def diagram() -> str:
    """TRANSITIONS as a Mermaid state diagram."""
    arrows = "\n".join(f"    {source} --> {target}: {when}" for source, when, target in TRANSITIONS)
    return f"stateDiagram-v2\n    [*] --> {Phase.CHECKING}\n{arrows}\n"


def blocks() -> tuple[str, ...]:
    """Everything on the page that follows from code, in its order."""
    return (
        table(("Level", "A path is verified when"), ((str(level), words) for level, words in LEVELS.items())),
        f"```mermaid\n{diagram()}```\n",
        table(("Phase", "Meaning"), ((f"`{phase}`", words) for phase, words in MEANINGS.items())),
        table(("Condition", "Holds when"), ((f"`{name}`", words) for name, words in CONDITIONS.items())),
    )


if __name__ == "__main__":
    sys.stdout.write("\n".join(blocks()))
