"""`/api/openapi.json`, made from the same `Route`s that serve the requests, so that it can't say anything else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from app.permissions import ROUTES
from core.errors import DATABASE_AWAY, FORBIDDEN, INTERNAL, NOT_SIGNED_IN, Problem
from core.http import FORM, Route

_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457, with a stable code, the next step, and the door the page should offer.",
    "required": ["type", "title", "status", "code", "next", "door", "params"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "description": "A sentence for the person, in the asked language"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "next": {"type": "string", "description": "What the person can do next"},
        "door": {"enum": ["", "login", "assessment", "call", "disclosure", "retry", "amount", "lobby"]},
        "params": {"type": "object"},
    },
}


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes."""
    routes = [route for route in routes if route.path.startswith("/api/")]
    shapes = [shape for route in routes for shape in (route.takes, route.gives) if shape is not None]
    schemas, components = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    schema_of = {id(shape): schema for shape, schema in zip(shapes, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tellercast", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "security": [{"cookie": []}, {"bearer": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**components, "Problem": _PROBLEM_SCHEMA},
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "tellercast"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, schema_of: dict[int, Any]) -> dict[str, Any]:
    roles = ROUTES.get((route.method, route.path), frozenset())
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).rstrip('_')}",
        "x-roles": sorted(role.value for role in roles if role is not None),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
        "responses": _responses(route, schema_of, public=None in roles),
    }
    if None in roles:
        operation["security"] = []
    if route.takes is not None:
        kinds = ["application/json", *([FORM] if route.form else [])]
        schema = schema_of[id(route.takes)]
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
    return operation


def _responses(route: Route, schema_of: dict[int, Any], *, public: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.gives is not None:
        answer["content"] = {"application/json": {"schema": schema_of[id(route.gives)]}}
    responses: dict[str, Any] = {str(route.status): answer}
    failures = (INTERNAL, DATABASE_AWAY)
    always: tuple[Problem, ...] = failures if public else (NOT_SIGNED_IN, FORBIDDEN, *failures)
    by_status: dict[int, list[Problem]] = {}
    for problem in (*route.problems, *always):
        by_status.setdefault(problem.status, []).append(problem)
    for status, problems in sorted(by_status.items()):
        codes = sorted({problem.code for problem in problems})
        responses[str(status)] = {
            "description": "; ".join(f"{problem.code}: {problem.en}" for problem in problems),
            "x-codes": codes,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return responses
