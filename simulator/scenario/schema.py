"""The JSON Schema of scenarios: `python -m simulator.scenario.schema > scenarios/schema.json`."""

import json
import sys
from typing import Any

from config.schema import DIALECT
from simulator.scenario.model import Scenario


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a scenario, with a description for every key."""
    made = Scenario.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, "title": "Equipoise scenario"} | {k: v for k, v in made.items() if k != "title"}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
