"""The JSON Schema of scenarios: `python -m simulator.scenario.schema > scenarios/schema.json`."""

import json
import re
import sys
from typing import Any

from config.schema import DIALECT
from simulator.scenario.model import Scenario

POLICY = {"$ref": "../config/schema.json#/$defs/PolicySpec"}
"""A scenario's policy is that of the documents: its keys are described once."""


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a scenario, with a description for every key."""
    made = Scenario.model_json_schema(by_alias=True)
    made["$defs"]["ScenarioSpec"]["properties"]["policy"] = POLICY
    body = {"$schema": DIALECT} | made | {"title": "Equipoise scenario"}
    return body | {"$defs": _reachable(body)}


def _reachable(body: dict[str, Any]) -> dict[str, Any]:
    """The definitions that are still referred to."""
    known, found = body["$defs"], dict[str, Any]()
    todo = _named({key: value for key, value in body.items() if key != "$defs"})
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = known[name]
            todo |= _named(known[name])
    return dict(sorted(found.items()))


def _named(part: dict[str, Any]) -> set[str]:
    return set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(part)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
