"""Scenarios for tests, written to a folder and loaded from there."""

from pathlib import Path

from simulator.scenario.load import Loaded, load_scenario

HEAD = "apiVersion: equipoise.dev/v1alpha1\nkind: Scenario\nmetadata: {name: tried}\nspec:\n"
PAIR = """\
  about: two clusters near each other
  duration: 3m
  fleet:
    clusters:
      one: {at: aws/eu-west-1}
      two: {at: aws/eu-central-1}
    users:
      people: {latitude: 53.3, longitude: -6.3}
    services:
      shop: {rpsPerReplica: 50, replicas: 10, calls: {stock: 1}, valueUsdPerMillionRequestMs: 0.2}
      stock: {exposed: false, rpsPerReplica: 100, replicas: 6}
  demand:
  - {service: shop, origin: people, rps: 300}
"""


def written(folder: Path, more: str = "", spec: str = PAIR) -> Path:
    """The file of a scenario: `spec`, and `more` behind it."""
    file = folder / "tried.yaml"
    file.write_text(HEAD + spec + more, encoding="utf-8")
    return file


def loaded(folder: Path, more: str = "", spec: str = PAIR) -> Loaded:
    """The same, loaded."""
    return load_scenario(written(folder, more, spec))
