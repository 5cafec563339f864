"""From files to a configuration: every document by itself, then all of them together, and all problems at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, filterfalse
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.budget import Budget
from config.capacity import check_capacity
from config.cluster import Cluster
from config.completeness import check_completeness
from config.configuration import Configuration, counted
from config.declared import Declarations, Declared, Kind
from config.documents import KINDS
from config.fallback import completed
from config.files import bytes_of, files_of
from config.latencymatrix import LatencyMatrix
from config.origin import Origin
from config.policy import Policy, PolicySpec
from config.pricebook import PriceBook
from config.problem import Invalid, Place, Problem, problem_at, quoted
from config.reasons import follows, locate, nearest, on_key, reason
from config.references import check_references
from config.service import Service
from config.source import Block, Fault, Mark, Node, Root, Scalar, parse, plain


@dataclass(slots=True)
class _Reading:
    """What was found so far; `headers` are (kind, name, place) of documents, valid or not."""

    problems: list[Problem] = field(default_factory=list)
    documents: list[Declared[Any]] = field(default_factory=list)
    headers: list[tuple[str, str, Place]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)


def load(*paths: Path, fallback: PriceBook | None = None) -> Configuration:
    """The configuration that files and folders make together; what they price nowhere costs what `fallback` says.

    Raises Invalid with everything that is wrong with it, sorted by place.
    """
    files, problems = files_of(paths)
    reading = _Reading(problems=problems)
    for file in files:
        _read_file(file, reading)
    declared, fallbacks = completed(_declarations(reading), fallback)
    checks = (check_references, check_capacity, check_completeness)
    reading.problems.extend(chain.from_iterable(check(declared) for check in checks))
    if not reading.problems:
        reading.problems.extend(_nothing_to_do(declared, paths))
    if reading.problems:
        raise Invalid(tuple(sorted(set(reading.problems))))
    return _configuration(declared, len(files), fallbacks)


def _read_file(file: Path, reading: _Reading) -> None:
    data = bytes_of(file)
    if isinstance(data, Problem):
        reading.problems.append(data)
        reading.broken.update(KINDS)
        return
    parsed = parse(data)
    for root in parsed.roots:
        _read_document(file.as_posix(), root, reading)
    if parsed.fatal:
        # Whatever stands behind this point is unknown, so nothing can be said to be missing.
        reading.problems.append(_at(file.as_posix(), parsed.fatal.mark, "", parsed.fatal.reason))
        reading.broken.update(KINDS)


def _read_document(file: str, root: Root, reading: _Reading) -> None:
    """Adds the document if it is valid by itself, its problems otherwise."""
    kind, name = _text(root.node, "kind"), _text(root.node, "metadata", "name")
    subject = f"{kind} {quoted(name)}" if kind in KINDS and name else kind if kind in KINDS else "document"
    faults = [*root.faults, *_envelope_faults(root.node, kind)]
    reading.problems.extend(_at(file, fault.mark, subject, fault.reason) for fault in faults)
    if kind not in KINDS:
        reading.broken.update(KINDS)
        return
    if name:
        at = locate(root.node, ("metadata", "name"))
        reading.headers.append((kind, name, Place(file, at.line, at.column)))
    try:
        model = KINDS[kind].model_validate(plain(root.node))
    except ValidationError as invalid:
        reading.broken.add(kind)
        for error in filterfalse(follows, invalid.errors(include_url=False)):
            mark = locate(root.node, error["loc"], on_key=on_key(error))
            reading.problems.append(_at(file, mark, subject, reason(error, KINDS[kind])))
    else:
        if faults:
            reading.broken.add(kind)
        else:
            reading.documents.append(Declared(model, file, root.node))


def _envelope_faults(node: Node, kind: str) -> Iterator[Fault]:
    """What keeps us from knowing what a document is."""
    if not isinstance(node, Block):
        yield Fault(node.mark, "must be a mapping with apiVersion, kind, metadata and spec")
    elif "kind" not in node.entries:
        yield Fault(node.mark, f"kind is missing; there is {', '.join(KINDS)}")
    elif kind not in KINDS:
        yield Fault(locate(node, ("kind",)), f"unknown kind {quoted(kind)}{nearest(kind, KINDS)}")


def _text(node: Node, *location: str) -> str:
    """The text at a location, empty where there is none."""
    for part in location:
        if not isinstance(node, Block) or part not in node.entries:
            return ""
        node = node.entries[part][1]
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


def _declarations(reading: _Reading) -> Declarations:
    """What the checks need. Of documents with the same name the first counts, and the others are problems."""
    names = defaultdict(set)
    first: dict[tuple[str, str], Place] = {}
    for kind, name, place in reading.headers:
        names[kind].add(name)
        if (kind, name) in first:
            why = f"already defined at {first[kind, name]}; names are unique among documents of a kind"
            reading.problems.append(problem_at(place, f"{kind} {quoted(name)}", why))
        first.setdefault((kind, name), place)
    return Declarations(
        documents=tuple(found for found in reading.documents if first[found.key] == found.place("metadata", "name")),
        names={kind: frozenset(names[kind]) for kind in KINDS},
        broken=frozenset(reading.broken),
    )


def _nothing_to_do(declared: Declarations, paths: Iterable[Path]) -> Iterator[Problem]:
    """A fleet needs one of each: somewhere to run, something to run, and someone who asks."""
    place = ", ".join(path.as_posix() for path in paths)
    for kind in (Cluster, Service, Origin):
        if not declared.names[kind.__name__]:
            found = counted(len(declared.documents), "document")
            yield Problem(place, 0, 0, "", f"no {kind.__name__} among {found}; a fleet needs at least one")


def _configuration(declared: Declarations, files: int, fallbacks: tuple[str, ...]) -> Configuration:
    policies = declared.of(Policy)
    return Configuration(
        clusters=_sorted(declared, Cluster),
        services=_sorted(declared, Service),
        origins=_sorted(declared, Origin),
        price_books=_sorted(declared, PriceBook),
        latency_matrices=_sorted(declared, LatencyMatrix),
        policy=policies[0].model.spec if policies else PolicySpec(),
        documents=len(declared.documents),
        files=files,
        budgets=_sorted(declared, Budget),
        fallbacks=fallbacks,
    )


def _sorted(declared: Declarations, kind: type[Kind]) -> tuple[Kind, ...]:
    return tuple(model for _, model in sorted(declared.by_name(kind).items()))


def _at(file: str, mark: Mark, subject: str, why: str) -> Problem:
    return problem_at(Place(file, mark.line, mark.column), subject, why)
