"""`make bench`: every benchmark in turn, one line of JSON each."""

import sys

from benchmarks import controlplane, failover, push, solve


def main() -> None:
    """Run them one after the other: they share the machine."""
    for name, run, arguments in (
        ("solve", solve.main, ["--size", "500x30", "--json"]),
        ("push", push.main, ["--json"]),
        ("failover", failover.main, ["--times", "10", "--json"]),
        ("controlplane", controlplane.main, ["--json"]),
    ):
        sys.stderr.write(f"== {name}\n")
        run(arguments)


main()
