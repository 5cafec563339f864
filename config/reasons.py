"""What pydantic found, in words that name the key, the limit and the remedy."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from config.fields import PATTERN_WORDS
from config.problem import quoted
from config.source import Block, Mark, Node, Series

PLAIN_KEY = re.compile(r"[!-~]{1,60}")

_EXPECTED = {
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "..."?` where a known word is close, else a list of what there is (if it is short)."""
    words = sorted(set(known))
    close = get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {quoted(close[0])}?"
    return f"; there is {', '.join(words)}" if 0 < len(words) <= 12 else ""


def reason(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One sentence for one error of validating a document of this model."""
    path, kind = _path(error["loc"]), error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    match kind:
        case "extra_forbidden":
            key, parent = str(error["loc"][-1]), _path(error["loc"][:-1])
            where = f" in {parent}" if parent else ""
            return f"unknown key {quoted(key)}{where}{nearest(key, known_keys(model, error['loc'][:-1]))}"
        case "missing":
            return f"{path} is missing"
        case "value_error":
            return f"{path or 'document'}: {context['error']}"
        case "literal_error":
            words = re.findall(r"'([^']*)'", context["expected"])
            shown = _shown(error["input"])
            hint = nearest(error["input"], words) if isinstance(error["input"], str) else ""
            close = hint if "did you mean" in hint else ""
            return f"{path} must be {' or '.join(words)}, not {shown}{close}"
    if kind in {"too_short", "string_too_short"}:
        return f"{path} must not be empty"
    return f"{path} {_demand(kind, context, error['msg'])}, not {_shown(error['input'])}"


def _demand(kind: str, context: dict[str, Any], message: str) -> str:
    """What a value must be, from the type of the error."""
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    match kind:
        case "string_pattern_mismatch":
            return PATTERN_WORDS.get(context["pattern"], f"must match {context['pattern']}")
        case "greater_than":
            return f"must be above {context['gt']:g}"
        case "greater_than_equal":
            return f"must be {context['ge']:g} or more"
        case "less_than_equal":
            return f"must be at most {context['le']:g}"
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
    return message.replace("Input should", "must")


def known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that the part of a document at this location may have."""
    for part in location:
        field = next((field for field in model.model_fields.values() if field.alias == part), None)
        model = (field and _model_in(field.annotation)) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def locate(root: Node, location: tuple[int | str, ...], *, on_key: bool = False) -> Mark:
    """Where the value (or its key) stands; what is not there is looked for at the innermost part that is.

    Parts that pydantic adds to a location, such as the branch of a union it took, are no part of a document.
    """
    node, key = root, root.mark
    for part in location:
        match node:
            case Block(entries=entries) if part in entries:
                key, node = entries[str(part)]
            case Series(items=items) if isinstance(part, int) and part < len(items):
                node = items[part]
                key = node.mark
    return key if on_key else node.mark


def follows(error: ErrorDetails) -> bool:
    """Whether it only follows from another error: pydantic calls a list too short when its items are wrong."""
    return error["type"] == "too_short" and bool(error["input"])


def on_key(error: ErrorDetails) -> bool:
    """Whether the fault is a key itself, or the lack of one, rather than a value."""
    return error["type"] in {"missing", "extra_forbidden"} or "[key]" in error["loc"]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The first model that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _path(location: tuple[int | str, ...]) -> str:
    """`spec.pools[0].nodes`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part == "[key]":
            text = f"the key {text}"
        elif not part.startswith("#"):
            word = part if PLAIN_KEY.fullmatch(part) else quoted(part)
            text += f".{word}" if text else word
    return text


def _shown(value: Any) -> str:
    match value:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str():
            return quoted(value)
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
