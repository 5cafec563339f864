"""Runs as plain values: what `-o json` prints, tables show, and `compare` reads again."""

import json
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from simulator.play import Played
from simulator.score import Finding, findings, scores

Json = dict[str, Any]
FORMAT = 1
WITHOUT = "without events"
"""What the run beside a what-if is called, in place of a policy."""
LEADS = ("totalUsdPerHour", "costUsdPerHour", "p50Ms", "p95Ms", "p99Ms", "availability", "shed", "egressUsdPerHour",
         "moved", "failoverS", "utilization")  # fmt: skip
"""The columns of the table of policies."""
LOW_IS_GOOD = {"totalUsdPerHour", "costUsdPerHour", "p50Ms", "p95Ms", "p99Ms", "shed", "failed", "egressUsdPerHour",
               "moved", "failoverS", "utilization"}  # fmt: skip
NEAR = 1e-3
"""Availability this close is the same, and costs closer than this part are."""


def result_of(played: Played) -> Json:
    """One run: what it was, its numbers, whether its expectations were met, and its largest moves."""
    spec = played.loaded.scenario.spec
    found = findings(played)
    return {
        "scenario": played.loaded.scenario.name,
        "file": played.loaded.file.as_posix(),
        "about": spec.about,
        "policy": played.policy,
        "seed": played.seed,
        "duration_s": spec.duration,
        "metrics": {name: _number(value) for name, value in scores(played).items()},
        "expectations": [_finding(f) for f in found],
        "met": all(f.met for f in found),
        "turns": len(played.diary.reasons),
        "solved": played.solved,
        "certified": played.certified,
        "rejected_measurements": dict(sorted(played.diary.rejected.items())),
        "moves": [_move(m) for m in sorted(played.diary.moves, key=lambda m: -m.rps)[:10]],
        "cpu_s": round(played.cpu_s, 3),
        "trace": played.trace(),
    }


def body_of(results: list[Json]) -> Json:
    """All runs of a call, with what happens if several seeds were played: mean and worst."""
    return {"format_version": FORMAT, "results": results, "summary": summaries(results)}


def summaries(results: list[Json]) -> list[Json]:
    """Per scenario and policy over its seeds: the mean of every number, and whether all expectations were met."""
    groups: dict[tuple[str, str], list[Json]] = {}
    for result in results:
        groups.setdefault((result["scenario"], result["policy"]), []).append(result)
    return [
        {
            "scenario": scenario,
            "policy": policy,
            "seeds": len(runs),
            "met": all(run["met"] for run in runs),
            "metrics": {name: _mean([run["metrics"][name] for run in runs]) for name in runs[0]["metrics"]},
            "worst": {name: _worst(name, [run["metrics"][name] for run in runs]) for name in runs[0]["metrics"]},
        }
        for (scenario, policy), runs in groups.items()
    ]


def beaten(rows: list[Json], ours: str) -> list[str]:
    """Where a rival was better than `ours`: in availability, or in total cost at the same availability."""
    words = []
    mine = {row["scenario"]: row["metrics"] for row in rows if row["policy"] == ours}
    for row in rows:
        us, them = mine.get(row["scenario"]), row["metrics"]
        if us is None or row["policy"] == ours:
            continue
        if (them["availability"] or 0) > (us["availability"] or 0) + NEAR:
            gap = f"{them['availability']:.4f} against {us['availability']:.4f}"
            words.append(f"{row['scenario']}: {row['policy']} is more available, {gap}")
        elif them["totalUsdPerHour"] < us["totalUsdPerHour"] * (1 - NEAR):
            gap = f"{them['totalUsdPerHour']:.2f} against {us['totalUsdPerHour']:.2f} $/h"
            words.append(f"{row['scenario']}: {row['policy']} costs less in total, {gap}")
    return words


def junit(results: list[Json]) -> str:
    """JUnit XML: a suite for each run, a case for each expectation; one that expects nothing was played."""
    root = ET.Element("testsuites", name="equipoise simulate")
    for result in results:
        cases = result["expectations"] or [{"expectation": "is played to its end", "met": True}]
        failures = sum(not case["met"] for case in cases)
        suite = ET.SubElement(
            root, "testsuite", name=f"{result['scenario']} ({result['policy']}, seed {result['seed']})",
            tests=str(len(cases)), failures=str(failures), time=str(result["cpu_s"]),
        )  # fmt: skip
        for case in cases:
            node = ET.SubElement(suite, "testcase", classname=result["scenario"], name=case["expectation"])
            if not case["met"]:
                ET.SubElement(node, "failure", message=f"is {case['value']}").text = case["why"]
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def read_results(path: Path) -> list[Json]:
    """The runs that `-o json` wrote. Raises ValueError for anything else."""
    body = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(body, dict) or body.get("format_version") != FORMAT:
        raise ValueError(f"{path.name}: not written by `equipoise simulate -o json` of this version")
    results: list[Json] = body["results"]
    return results


def _finding(found: Finding) -> Json:
    return {"expectation": found.text, "value": _number(found.value), "met": found.met, "why": found.why}


def _move(move: Any) -> Json:
    changes = [{name: getattr(c, name) for name in c.__slots__} for c in move.changes]
    names = ("at_s", "reason", "why", "rps", "part", "usd_before", "usd_after", "guards", "failed")
    return {name: getattr(move, name) for name in names} | {"changes": changes}


def _number(value: float) -> float | None:
    """JSON has no NaN: null says that there is nothing to measure."""
    return round(value, 6) if math.isfinite(value) else None


def _mean(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return round(float(np.mean(known)), 6) if known else None


def _worst(name: str, values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return (max(known) if name in LOW_IS_GOOD else min(known)) if known else None
