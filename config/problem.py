"""What is wrong with a configuration, and where: every problem names file, line, column, document and reason."""

import json
from dataclasses import dataclass

QUOTED_MAX = 60


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file, both counted from 1; line 0 is the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of a configuration. Sorts by place."""

    file: str
    line: int
    column: int
    subject: str
    """The document it is about, as `Service "checkout"`; empty for a fault of the file as such."""
    reason: str
    """What is wrong, how much, the limit and the remedy, in one line."""

    def __str__(self) -> str:
        subject = f"{self.subject}: " if self.subject else ""
        return f"{Place(self.file, self.line, self.column)}: {subject}{self.reason}"


def problem_at(place: Place, subject: str, reason: str) -> Problem:
    """A problem with the document that begins or says something at this place."""
    return Problem(place.file, place.line, place.column, subject, reason)


def quoted(word: str) -> str:
    """In double quotes, on one line, printable everywhere."""
    return json.dumps(word if len(word) <= QUOTED_MAX else word[: QUOTED_MAX - 3] + "...")


class Invalid(Exception):  # noqa: N818  said of a configuration, not of us
    """The configuration cannot be used. Carries all of its problems at once, sorted by place."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems
