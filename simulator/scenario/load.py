"""From a file to a scenario that can be played, or every problem with it as file:line:column."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, filterfalse
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.configuration import Configuration
from config.files import bytes_of
from config.problem import Invalid, Place, Problem, problem_at, quoted
from config.reasons import follows, locate, nearest, on_key, reason
from config.source import Mark, Node, parse, plain
from simulator.scenario.build import Built, build, unsold
from simulator.scenario.faults import FAULTS
from simulator.scenario.model import Scenario

TAGS = {model.model_fields["fault"].annotation.__args__[0]: model for model in FAULTS}  # type: ignore[union-attr]

NO_FAULT = {"union_tag_invalid", "union_tag_not_found"}
"""Errors of pydantic that say that an event is none."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario, valid by itself and together with its fleet."""

    scenario: Scenario
    file: Path
    built: Built

    @property
    def configuration(self) -> Configuration:
        """The documents of its fleet."""
        return self.built.configuration


def load_scenario(file: Path) -> Loaded:
    """The scenario in a file. Raises Invalid with everything that is wrong with it, sorted by place."""
    data = bytes_of(file) if file.is_file() else Problem(file.as_posix(), 0, 0, "", "no such file")
    if isinstance(data, Problem):
        raise Invalid((data,))
    parsed = parse(data)
    problems = [_at(file, root_fault.mark, root_fault.reason) for root in parsed.roots for root_fault in root.faults]
    if parsed.fatal:
        problems.append(_at(file, parsed.fatal.mark, parsed.fatal.reason))
    if len(parsed.roots) != 1:
        found = f"{len(parsed.roots)} documents; a scenario is one document in a file of its own"
        problems.append(Problem(file.as_posix(), 0, 0, "", found))
    if problems:
        raise Invalid(tuple(sorted(problems)))
    return _checked(file, parsed.roots[0].node)


def _checked(file: Path, node: Node) -> Loaded:
    try:
        scenario = Scenario.model_validate(plain(node))
    except ValidationError as invalid:
        errors = filterfalse(follows, invalid.errors(include_url=False))
        raise Invalid(tuple(sorted({_problem(file, node, error) for error in errors}))) from None
    early = [_at(file, locate(node, where), why) for where, why in chain(_dangling_inside(scenario), unsold(scenario))]
    if early:
        raise Invalid(tuple(sorted(set(early))))
    return checked(scenario, file, node)


def checked(scenario: Scenario, file: Path, node: Node | None = None) -> Loaded:
    """The scenario with its fleet, when every name it uses is there. Raises Invalid; `node` gives the places."""
    built = build(scenario, file.parent)
    problems = [
        _at(file, locate(node, where), why) if node else Problem(file.as_posix(), 0, 0, "", why)
        for where, why in _dangling(scenario, built)
    ]
    if problems:
        raise Invalid(tuple(sorted(set(problems))))
    return Loaded(scenario, file, built)


def _problem(file: Path, node: Node, error: ErrorDetails) -> Problem:
    """One error of pydantic in our words, at its place."""
    where = error["loc"]
    if error["type"] in NO_FAULT:
        return _at(file, locate(node, (*where, "fault")), words_of(error))
    return _at(file, locate(node, where, on_key=on_key(error)), words_of(error))


def words_of(error: ErrorDetails) -> str:
    """One error of validating a scenario in our words; those inside an event speak of the fault that it is."""
    where = error["loc"]
    if error["type"] in NO_FAULT:
        tag = str(error.get("ctx", {}).get("tag", ""))
        return f"unknown fault {quoted(tag)}{nearest(tag, TAGS)}" if tag else "fault is missing"
    if where[:2] == ("spec", "events") and len(where) > 3 and where[3] in TAGS:
        inner: Any = error | {"loc": where[4:]}
        return f"events[{where[2]}], {where[3]}: {reason(inner, TAGS[where[3]])}"
    return reason(error, Scenario)


def _dangling_inside(scenario: Scenario) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Names in the fleet's short form that nothing there has."""
    fleet = scenario.spec.fleet
    for name, service in fleet.services.items():
        where = ("spec", "fleet", "services", name)
        for called in service.calls:
            if called not in fleet.services:
                yield (*where, "calls", called), f"no service {quoted(called)}{nearest(called, fleet.services)}"
        for cluster in service.replicas if isinstance(service.replicas, dict) else ():
            if cluster not in fleet.clusters:
                yield (*where, "replicas", cluster), f"no cluster {quoted(cluster)}{nearest(cluster, fleet.clusters)}"
    for one, row in fleet.rtt_ms.items():
        for other in (one, *row):
            if other not in fleet.clusters and other not in fleet.users:
                known = [*fleet.clusters, *fleet.users]
                yield ("spec", "fleet", "rttMs", one), f"no cluster or users {quoted(other)}{nearest(other, known)}"


def _dangling(scenario: Scenario, built: Built) -> Iterator[tuple[tuple[int | str, ...], str]]:
    """Names in demand, events, expectations and the world that the fleet does not have."""
    documents = built.configuration
    known = {
        "cluster": {c.name for c in documents.clusters},
        "service": {s.name for s in documents.services},
        "region": {c.spec.region for c in documents.clusters},
        "provider": {c.spec.provider for c in documents.clusters},
        "origin": {o.name for o in documents.origins},
    }
    spec = scenario.spec
    lists: dict[str, tuple[Any, ...]] = {"events": spec.events, "demand": spec.demand, "expect": spec.expect}
    for part, items in lists.items():
        for row, item in enumerate(items):
            for name, names in known.items():
                said = getattr(item, name, None)
                alias = type(item).model_fields[name].alias if said is not None else name
                good = names | {"*"} | ({"controller"} if hasattr(item, "two_way") else set())
                good = good | known["cluster"] if name == "origin" else good
                for word in said if isinstance(said, tuple) else (said,) if said else ():
                    if word not in good:
                        yield ("spec", part, row, alias or name), f"no {name} {quoted(word)}{nearest(word, names)}"
    for row, vantage in enumerate(spec.world.vantages):
        if vantage != "controller" and vantage not in known["cluster"]:
            yield (
                ("spec", "world", "vantages", row),
                f"no cluster {quoted(vantage)}{nearest(vantage, known['cluster'])}",
            )


def _at(file: Path, mark: Mark, why: str) -> Problem:
    return problem_at(Place(file.as_posix(), mark.line, mark.column), "", why)
