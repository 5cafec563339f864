"""One fault again and again, on real data planes side by side: how soon each of them leaves the broken cluster.

    python -m benchmarks.failover --plane envoy --fault kill --times 10 --json

Everybody is served by a cluster 70 ms away; it breaks; two others stand by. Equipoise steers an Envoy or an HAProxy
(`--plane`) and probes every 250 ms from three vantages, two of which must agree: the controller's own, and one each in
the two other regions, whose word takes 35 and 93 ms to arrive. (All of them probe over the controller's own 70 ms.)
Beside it, under the very same fault and with as many users each:

  haproxy_checks   an HAProxy that checks by itself: inter 2s, fall 3, rise 2
  envoy_outlier    an Envoy with Istio's outlier detection: 5 errors in a row, sweep 10 s
  k8gb_like        clients of ten names: health looked at every 30 s, TTL 30 s; the name servers are simulated, checks
                   and requests are real; measured in the first fault alone, which lasts 70 s for it

A shift is the time from the fault to the last request sent to the faulty cluster, as the logs of the gateways have it,
or the clients where there is no gateway; null where more than half were still going there at the end. A request failed
when its user got anything but 200 within 2 s. Of a gray failure (`gray5`) load is moved away in steps: it is detected
with the first request kept away, and shifted when no more than a trickle, under 10 %, still goes there.
"""

import argparse
import asyncio
import json
import math
import random
import sys
from collections.abc import Sequence
from typing import Any

from simulator.lab.effects import Span, percentile
from simulator.lab.processes import LabError
from simulator.lab.trial.faults import Fault
from simulator.lab.trial.gateways import ANCHORS, K8GB_LIKE, STEERED, STEERINGS
from simulator.lab.trial.outcome import Outcome, behind_a_gateway, by_name, in_part, verdicts_s
from simulator.lab.trial.trial import K8GB_LOOPS, Options, Trial, running

WINDOW_S = 12.0
"""Longer than HAProxy's own checks need."""
ALONE_S = 5.0
"""Where there are no anchors to wait for."""
STEPS_S = 20.0
"""Longer than the four steps away from a gray failure, each looked at for 3 s."""
LONG_WINDOW_S = 70.0
"""Longer than one reconcile period and one TTL."""
REST_S = 11.0
"""From everybody being served to a fault, at least: past the first ten seconds of a prober, which may wait longer."""
PLANES_AND_NAMES = (*ANCHORS, K8GB_LIKE)


async def measure(options: Options, fault: Fault, times: int, rest_s: float = REST_S) -> dict[str, Any]:
    """All of it, in one trial. Raises LabError."""
    dice = random.Random(options.seed)
    window_s = STEPS_S if fault is Fault.GRAY else WINDOW_S if options.anchors else ALONE_S
    found: dict[str, list[Outcome]] = {}
    async with running(options, note) as trial:
        for turn in range(times):
            # At any moment of a probe's period and of a tick. The vantages begin with the first fault alone.
            least_s = rest_s if turn else max(rest_s, REST_S)
            await asyncio.sleep(dice.uniform(least_s, least_s + 2.0))
            is_long = turn == 0 and K8GB_LIKE in options.anchors
            note(f"{fault} {turn + 1} of {times}")
            span = await trial.suffer(fault, LONG_WINDOW_S if is_long else window_s)
            for name, outcomes in outcomes_of(trial, fault, span, is_long).items():
                found.setdefault(name, []).extend(outcomes)
            if turn + 1 < times:
                await trial.renew()
        is_dropped = trial.breaker is not None and trial.breaker.dropper is not None
    ours, anchors = found.pop(STEERED), {name: figures(outcomes) for name, outcomes in found.items()}
    how = {"blackhole_by": "iptables" if is_dropped else "links that swallow"} if fault is Fault.BLACKHOLE else {}
    head = {"plane": options.plane, "fault": str(fault), "rps": options.rps, "vantages": options.vantages,
            "window_s": window_s, **how}  # fmt: skip
    return {**head, **figures(ours), "anchors": anchors}


def outcomes_of(trial: Trial, fault: Fault, span: Span, is_long: bool) -> dict[str, list[Outcome]]:
    """What one fault did to each data plane; to those that look up names only if it lasted long enough for them."""
    found = {}
    for name, log in trial.logs.items():
        moments = verdicts_s(trial.watch.changes, span[0]) if name == STEERED else log.detections
        whole = behind_a_gateway(log.attempts, moments, trial.asked, name, span)
        found[name] = [in_part(log.attempts, trial.asked, name, span) if fault is Fault.GRAY else whole]
    if is_long:
        names = (f"{K8GB_LIKE}/{number}" for number in range(K8GB_LOOPS))
        found[K8GB_LIKE] = [by_name(trial.asked, name, span) for name in names]
    return found


def figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Percentiles over the faults, and sums."""
    shifts = [math.inf if o.shift_s is None else o.shift_s for o in outcomes]
    detects = [math.inf if o.detect_s is None else o.detect_s for o in outcomes]
    return {
        "times": len(outcomes),
        "left": sum(o.shift_s is not None for o in outcomes),
        **quantiles("shift_s", shifts),
        **quantiles("detect_s", detects),
        "failed_requests": sum(o.failed for o in outcomes),
        "requests": sum(o.requests for o in outcomes),
    }


def quantiles(name: str, values: Sequence[float]) -> dict[str, float | None]:
    """p50, p99 and the largest; None where that is beyond the end of the fault."""
    found = {part: percentile(values, q) for part, q in {"p50": 0.5, "p99": 0.99, "max": 1.0}.items()}
    return {f"{part}_{name}": round(value, 3) if math.isfinite(value) else None for part, value in found.items()}


def table(values: dict[str, Any]) -> str:
    """For people: a line for each data plane."""
    rows = {f"{STEERED} ({values['plane']})": values, **values["anchors"]}
    names = ("left", "p50_shift_s", "p99_shift_s", "p50_detect_s", "failed_requests", "requests")
    lines = [f"{values['fault']:24}" + "".join(f"{name:>16}" for name in names)]
    return "\n".join(
        lines + [f"{who:24}" + "".join(f"{row[name]!s:>16}" for name in names) for who, row in rows.items()]
    )


def note(words: str) -> None:
    """How far it is."""
    sys.stderr.write(words + "\n")


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.failover", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plane", choices=sorted(STEERINGS), default="envoy", help="what Equipoise steers")
    parser.add_argument("--fault", type=Fault, choices=list(Fault), default=Fault.KILL)
    parser.add_argument("--times", type=int, default=10, help="faults; %(default)s if not given")
    parser.add_argument("--anchors", default=",".join(PLANES_AND_NAMES),
                        help="who else is measured, separated by commas, or none; all if not given")  # fmt: skip
    parser.add_argument("--rps", type=float, default=100.0, help="of each data plane; %(default)g if not given")
    parser.add_argument("--vantages", type=int, choices=(1, 2, 3), default=3,
                        help="places that probe for Equipoise; two must agree; %(default)s if not given")  # fmt: skip
    parser.add_argument("--rest", type=float, default=REST_S, metavar="SECONDS",
                        help="from the start of the controller to the fault; %(default)g if not given")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    arguments = parser.parse_args(argv)
    anchors = tuple(name for name in arguments.anchors.split(",") if name and name != "none")
    if unknown := set(anchors) - set(PLANES_AND_NAMES):
        parser.error(f"no anchor is called {unknown.pop()!r}; there are {', '.join(PLANES_AND_NAMES)}")
    arguments.anchors = anchors
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run it and print what was measured; returns the exit code."""
    arguments = parse(argv)
    options = Options(arguments.plane, arguments.anchors, arguments.rps, arguments.seed, arguments.vantages)
    try:
        values = asyncio.run(measure(options, arguments.fault, arguments.times, arguments.rest))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(values) if arguments.json else table(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
