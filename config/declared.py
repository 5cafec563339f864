"""Documents together with where they are written, while they are being checked against each other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from config.document import Document
from config.problem import Place, Problem, problem_at
from config.reasons import locate
from config.source import Node

Location = tuple[int | str, ...]
"""Keys and list positions from the top of a document inwards."""

Kind = TypeVar("Kind", bound=Document)


@dataclass(frozen=True, slots=True)
class Declared(Generic[Kind]):
    """A document that is valid by itself."""

    model: Kind
    file: str
    node: Node

    @property
    def name(self) -> str:
        """The name of what it describes."""
        return self.model.name

    @property
    def key(self) -> tuple[str, str]:
        """Its kind and name."""
        return type(self.model).__name__, self.name

    @property
    def subject(self) -> str:
        """`Service "checkout"`."""
        return f'{type(self.model).__name__} "{self.name}"'

    def place(self, *location: int | str, on_key: bool = False) -> Place:
        """Where the value at a location stands, or its key."""
        mark = locate(self.node, location, on_key=on_key)
        return Place(self.file, mark.line, mark.column)

    def problem(self, reason: str, *location: int | str, on_key: bool = False) -> Problem:
        """A problem with what it says at a location."""
        return problem_at(self.place(*location, on_key=on_key), self.subject, reason)


@dataclass(frozen=True, slots=True)
class Declarations:
    """All documents that are valid by themselves, and what is known of the others."""

    documents: tuple[Declared[Any], ...]
    names: Mapping[str, frozenset[str]]
    """Names by kind, those of invalid documents too: a reference to them does not dangle."""
    broken: frozenset[str]
    """Kinds of which a document is invalid, so that what seems to be missing may stand there."""

    def of(self, kind: type[Kind]) -> tuple[Declared[Kind], ...]:
        """The documents of a kind, in the order they were read."""
        return cast(
            "tuple[Declared[Kind], ...]", tuple(found for found in self.documents if isinstance(found.model, kind))
        )

    def by_name(self, kind: type[Kind]) -> dict[str, Kind]:
        """The models of a kind under their names."""
        return {found.name: found.model for found in self.of(kind)}

    def whole(self, *kinds: type[Document]) -> bool:
        """Whether all documents of these kinds are valid."""
        return not self.broken & {kind.__name__ for kind in kinds}


Fact = tuple[str, Declared[Any], Location]
"""What is said, by which document, and where in it."""


def repeated(facts: Iterable[Fact]) -> Iterator[Problem]:
    """A problem for every fact that was said before, with the place of the first."""
    first: dict[str, tuple[Declared[Any], Location]] = {}
    for fact, document, where in facts:
        if fact in first:
            earlier, place = first[fact]
            reason = f"{fact} is already given by {earlier.subject} at {earlier.place(*place)}"
            yield document.problem(reason, *where)
        else:
            first[fact] = (document, where)
