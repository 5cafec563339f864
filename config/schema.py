"""The JSON Schema of all documents: one `oneOf`, told apart by `kind`. `config/schema.json` is its committed output."""

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from config.documents import KINDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Strict(GenerateJsonSchema):
    """Without a title for each key, which would only repeat it, and without keys beside those a pattern allows."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def dict_schema(self, schema: Any) -> dict[str, Any]:
        json = super().dict_schema(schema)
        return json | {"additionalProperties": False} if "patternProperties" in json else json


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of one document, with a description for every key."""
    union: Any = reduce(or_, KINDS.values())
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[union, Field(discriminator="kind")])
    title = {"$schema": DIALECT, "title": "Equipoise configuration document"}
    return title | adapter.json_schema(by_alias=True, schema_generator=_Strict)
