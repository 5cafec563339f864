"""From a section of a document to the numbers that the code goes by: the same names, with seconds as `_s`."""

from dataclasses import fields
from typing import Any, TypeVar

from pydantic import BaseModel

T = TypeVar("T")
SECONDS, S = "_seconds", "_s"


def numbers(kind: type[T], section: BaseModel, **other: Any) -> T:
    """A dataclass filled from the fields of a section that have its names: `dwell_seconds` there is `dwell_s` here.

    What the section does not have keeps its default, and `other` counts before both.
    """
    said = {ours(name): name for name in type(section).model_fields}
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # T is a dataclass, which has no bound
    return kind(**{name: getattr(section, said[name]) for name in said.keys() & known} | other)


def ours(name: str) -> str:
    """A name of a document as the code has it."""
    return name.removesuffix(SECONDS) + S if name.endswith(SECONDS) else name
