"""`make bench`: every benchmark in turn, one line of JSON each. All of it takes some hours, most of them the rivals."""

import sys
from collections.abc import Callable, Sequence

from benchmarks import (
    api,
    controlplane,
    detection,
    drill,
    failover,
    failover_table,
    fidelity,
    fleet,
    forecast,
    intake,
    integers,
    policies,
    pop,
    probing,
    proofs,
    push,
    report,
    rivals,
    simulate,
    solve,
    takeover,
    tick,
)

RUNS: tuple[tuple[str, Callable[[Sequence[str]], object], list[str]], ...] = (
    ("solve", solve.main, ["--size", "500x30", "--json"]),
    ("tick", tick.main, ["--size", "2000x50", "--json"]),
    ("integers", integers.main, ["--size", "500x30", "--json"]),
    ("push", push.main, ["--json"]),
    ("failover", failover.main, ["--times", "10", "--json"]),
    ("failover_table", failover_table.main, ["--json"]),
    ("drill", drill.main, ["--times", "20", "--json"]),
    ("detection", detection.main, ["--json"]),
    ("probing", probing.main, ["--json"]),
    ("proofs", proofs.main, ["--json"]),
    ("controlplane", controlplane.main, ["--json"]),
    ("intake", intake.main, ["--json"]),
    ("api", api.main, ["--json"]),
    ("takeover", takeover.main, ["--times", "50", "--json"]),
    ("pop", pop.main, ["--json"]),
    ("fleet", fleet.main, ["--json"]),
    ("forecast", forecast.main, ["--json"]),
    ("report", report.main, ["--json"]),
    ("simulate", simulate.main, ["--json"]),
    ("fidelity", fidelity.main, ["--json"]),
    ("policies", policies.main, ["--json"]),
    ("rivals", rivals.main, ["--json"]),
)


def main() -> None:
    """Run them one after the other: they share the machine."""
    for name, run, arguments in RUNS:
        sys.stderr.write(f"== {name}\n")
        run(arguments)


main()
