"""Bugs to plant into the loop, one at a time: the rules that watch it must find each of them.

A bug replaces one pure function, as the loop sees it, by one that is wrong in a way that people are.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Bug:
    """`name` of `module` becomes `wrong(the right one)`."""

    title: str
    module: str
    name: str
    wrong: Callable[[Any], Any]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Wrong inside, right again afterwards."""
        module = import_module(self.module)
        right = getattr(module, self.name)
        setattr(module, self.name, self.wrong(right))
        try:
            yield
        finally:
            setattr(module, self.name, right)
