"""The JSON Schema of all documents: one `oneOf`, told apart by `kind`. `config/schema.json` is its committed output."""

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from config.documents import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one document, with a description for every key."""
    union: Any = reduce(or_, KINDS.values())
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[union, Field(discriminator="kind")])
    title = {"$schema": DIALECT, "title": "Equipoise configuration document"}
    return title | adapter.json_schema(by_alias=True)
