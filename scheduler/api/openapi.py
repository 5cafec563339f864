"""The OpenAPI 3.1 document, made of the routes."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from scheduler.api.problem import PROBLEM_TYPE, TITLES, Problem
from scheduler.api.route import Json, Route

REF = "#/components/schemas/{model}"
MODE = Literal["validation", "serialization"]
ABOUT = (
    "What operators and programs ask of a running controller. Numbers carry their unit at the end of their name. "
    "Errors are problem documents (RFC 9457). `x-role` is the least role that may ask; `agent` stands apart."
)


def document(routes: Sequence[Route]) -> Json:
    """The whole document."""
    shown = [route for route in routes if not route.page]
    keys = [(model, mode) for model, mode in _models(shown)]
    refs, definitions = models_json_schema([*keys, (Problem, "serialization")], ref_template=REF)
    schemas: Json = dict(definitions.get("$defs", {}))
    paths: Json = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Equipoise", "version": version("equipoise"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({route.tag for route in shown})],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of the policy, or a JWT."},
                "certificate": {"type": "mutualTLS", "description": "A client certificate that the policy names."},
            },
        },
    }


def _models(routes: Sequence[Route]) -> Iterator[tuple[type[BaseModel], MODE]]:
    for route in routes:
        yield from ((m, "validation") for m in (route.query, route.body) if m is not None)
        yield from ((m, "serialization") for m in route.answers.values() if m is not None)


def _operation(route: Route, refs: Any) -> Json:
    words = route.path.removeprefix("/api/v1").replace("{", "by_").replace("}", "").strip("/")
    found: Json = {
        "operationId": f"{route.method.lower()}_{words.replace('/', '_').replace('.', '_') or 'root'}",
        "tags": [route.tag],
        "summary": route.summary,
        "x-role": str(route.role) if route.role is not None else "anybody",
        "parameters": list(_parameters(route)),
        "responses": _responses(route, refs),
        "security": [{"token": []}, {"certificate": []}] if route.role is not None else [],
    }
    if route.about:
        found["description"] = route.about
    if route.body is not None:
        content = {"application/json": {"schema": refs[route.body, "validation"]}}
        found["requestBody"] = {"required": route.body_needed, "content": content}
    return found


def _parameters(route: Route) -> Iterator[Json]:
    for name, pattern in route.parts.items():
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{pattern}$"}}
    if route.query is not None:
        schema = route.query.model_json_schema(ref_template=REF)
        for name, about in schema.get("properties", {}).items():
            needed = name in schema.get("required", ())
            yield {"name": name, "in": "query", "required": needed, "schema": about}
    if route.if_match:
        yield {"name": "If-Match", "in": "header", "required": False, "schema": {"type": "string"}}
    if route.etag:
        yield {"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}}


def _responses(route: Route, refs: Any) -> Json:
    found: Json = {}
    for status, model in route.answers.items():
        entry: Json = {"description": route.summary}
        if status not in {204, 304}:
            schema = refs[model, "serialization"] if model is not None else {}
            entry["content"] = {route.media: {"schema": schema}}
        if route.etag or route.if_match:
            entry["headers"] = {"ETag": {"schema": {"type": "string"}}}
        found[str(status)] = entry
    if route.etag:
        found["304"] = {"description": "As you saw it."}
    for status in route.every_problem():
        content = {PROBLEM_TYPE: {"schema": refs[Problem, "serialization"]}}
        found[str(status)] = {"description": TITLES[status], "content": content}
    return found
