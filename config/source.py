"""From the bytes of a file to nodes that know their line and column, within limits.

YAML 1.2 core schema on purpose: `NO` is a word and not false, `2026-10-01` is text, `012` is twelve. Because YAML 1.2
contains JSON, a JSON file is read by the same code. What could make a small file big (aliases), deep or ambiguous
(duplicate keys, tags, merge by `<<`) is refused here, before anything is made of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from config.problem import quoted

FILE_MAX_BYTES = 1 << 20
DEPTH_MAX = 32
ALIASES_MAX = 100
"""In one document."""
EXPANSION_MAX = 10
"""Nodes after following the aliases, over nodes written."""
DOCUMENTS_MAX = 10_000
"""In one file."""
REASON_MAX = 200
"""Characters of a parser's message, which may quote the file at length."""

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_HEX_OR_OCTAL = re.compile(r"0x[0-9a-fA-F]{1,15}|0o[0-7]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Mark:
    """Line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value; `text` is how it was written."""

    mark: Mark
    value: str | int | float | bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """A list."""

    mark: Mark
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A mapping: for each key where it stands, and its value. Keys are text as written."""

    mark: Mark
    entries: dict[str, tuple[Mark, "Node"]]


Node = Scalar | Series | Block


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with the text at a mark."""

    mark: Mark
    reason: str


@dataclass(frozen=True, slots=True)
class Root:
    """One document, and the faults that do not keep it from being read."""

    node: Node
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a file holds. `fatal` is where reading it had to stop; the documents before that are there."""

    roots: tuple[Root, ...]
    fatal: Fault | None


class _Stop(Exception):  # noqa: N818  leaves the recursion; never seen outside this module
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def parse(data: bytes) -> Parsed:
    """The documents of a file; never raises. Empty documents are left out."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        mark = Mark(before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        return Parsed((), Fault(mark, f"not UTF-8: byte 0x{data[error.start]:02x}"))
    composer = _Composer(text)
    roots: list[Root] = []
    try:
        for root in composer.roots():
            roots.append(root)  # noqa: PERF402  what came before an error must stay
    except _Stop as stop:
        return Parsed(tuple(roots), stop.fault)
    except ReaderError as error:
        before_text = text[: error.position]
        mark = Mark(before_text.count("\n") + 1, error.position - (before_text.rfind("\n") + 1) + 1)
        return Parsed(tuple(roots), Fault(mark, "a control character, which YAML does not allow"))
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(at.line + 1, at.column + 1) if at else composer.last
        return Parsed(tuple(roots), Fault(mark, f"not YAML: {_one_line(error)}"))
    except (YAMLError, ValueError, OverflowError, LookupError, AttributeError, TypeError, AssertionError) as error:
        # On damaged text the parser stumbles in places (an escape like \UFFFFFFFF, a broken directive).
        return Parsed(tuple(roots), Fault(composer.last, f"not YAML from here on: {_one_line(error)}"))
    return Parsed(tuple(roots), None)


def plain(node: Node) -> Any:
    """The value without its marks: dicts, lists and scalars."""
    match node:
        case Block(entries=entries):
            return {key: plain(value) for key, (_, value) in entries.items()}
        case Series(items=items):
            return [plain(item) for item in items]
        case Scalar(value=value):
            return value


class _Composer:
    """Nodes from the parser's stream of events; holds that stream and the anchors of the document being read."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
        self.last = Mark(1, 1)

    def roots(self) -> Iterator[Root]:
        """The documents that are not empty."""
        documents = 0
        for event in self._events:
            self.last = _mark(event)
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > DOCUMENTS_MAX:
                    raise _Stop(Fault(self.last, f"more than {DOCUMENTS_MAX} documents in a file; use several files"))
                self._anchors: dict[str, tuple[Node, int] | None] = {}
                self._faults: list[Fault] = []
                self._written = self._aliases = 0
                node, size = self._node(next(self._events), depth=1)
                if size > EXPANSION_MAX * self._written:
                    reason = f"aliases make {self._written} nodes into {size}, more than {EXPANSION_MAX} times as many"
                    raise _Stop(Fault(node.mark, reason))
                if not (isinstance(node, Scalar) and node.value is None):
                    yield Root(node, tuple(self._faults))

    def _node(self, event: Any, depth: int) -> tuple[Node, int]:
        """A node, and the number of nodes it is after following its aliases."""
        mark = self.last = _mark(event)
        if isinstance(event, AliasEvent):
            return self._aliased(event.anchor, mark)
        if depth > DEPTH_MAX:
            raise _Stop(Fault(mark, f"nested deeper than {DEPTH_MAX} levels"))
        if event.ctag is not None:
            raise _Stop(Fault(mark, f"tag {quoted(str(event.tag))}: tags are not read; write the value without it"))
        if event.anchor:
            self._anchors[event.anchor] = None
        self._written += 1
        node: Node
        if isinstance(event, ScalarEvent):
            node, size = _scalar(mark, event), 1
        elif isinstance(event, SequenceStartEvent):
            node, size = self._series(mark, depth)
        else:
            assert isinstance(event, MappingStartEvent), f"unexpected {event!r}"
            node, size = self._block(mark, depth)
        if event.anchor:
            self._anchors[event.anchor] = (node, size)
        return node, size

    def _aliased(self, anchor: str, mark: Mark) -> tuple[Node, int]:
        self._aliases += 1
        self._written += 1
        if self._aliases > ALIASES_MAX:
            raise _Stop(Fault(mark, f"more than {ALIASES_MAX} aliases in a document"))
        if anchor not in self._anchors:
            raise _Stop(Fault(mark, f"alias {quoted(anchor)} without an anchor before it"))
        known = self._anchors[anchor]
        if known is None:
            raise _Stop(Fault(mark, f"alias {quoted(anchor)} inside of what it stands for"))
        return known

    def _series(self, mark: Mark, depth: int) -> tuple[Series, int]:
        items, total = [], 1
        while not isinstance(event := next(self._events), SequenceEndEvent):
            node, size = self._node(event, depth + 1)
            items.append(node)
            total += size
        return Series(mark, tuple(items)), total

    def _block(self, mark: Mark, depth: int) -> tuple[Block, int]:
        entries: dict[str, tuple[Mark, Node]] = {}
        total = 1
        while not isinstance(event := next(self._events), MappingEndEvent):
            at = _mark(event)
            key, key_size = self._node(event, depth + 1)
            value, size = self._node(next(self._events), depth + 1)
            total += key_size + size
            if not isinstance(key, Scalar):
                self._faults.append(Fault(at, "a key must be a single word, not a list or a mapping"))
            elif key.text in entries:
                first = entries[key.text][0]
                self._faults.append(Fault(at, f"duplicate key {quoted(key.text)}; the first is at line {first.line}"))
            else:
                entries[key.text] = (at, value)
        return Block(mark, entries), total


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _scalar(mark: Mark, event: ScalarEvent) -> Scalar:
    """Plain words are looked at, quoted ones are text."""
    text: str = event.value
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise _Stop(Fault(mark, "half of a surrogate pair, which is no character"))
    return Scalar(mark, _resolved(text) if event.implicit[0] else text, text)


def _resolved(text: str) -> str | int | float | bool | None:
    """A plain word by the core schema of YAML 1.2 (section 10.3.2). Integers beyond 18 digits become floats."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return bool(_TRUE.fullmatch(text))
    if _INT.fullmatch(text):
        return int(text)
    if _HEX_OR_OCTAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


def _one_line(error: Exception) -> str:
    """What a parser's error says, without its excerpt of the text."""
    words = [error.context, error.problem] if isinstance(error, MarkedYAMLError) else [str(error)]
    text = ", ".join(" ".join(str(part).split()) for part in words if part) or type(error).__name__
    return text[:REASON_MAX]
