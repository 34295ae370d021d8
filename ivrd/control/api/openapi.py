"""The OpenAPI document of the JSON interface, made from its operations and models.

It is stored as ``schemas/openapi.json`` and served from there; ``python -m
ivrd.control.api.openapi`` writes it anew, and a test holds one against the other.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from ivrd.control.api.operations import OPERATIONS, Operation
from ivrd.control.api.problems import KINDS, MEDIA_TYPE
from ivrd.control.api.words import FlawTold, Month, ProblemTold

PREFIX = "/api/v1"
"""What stands before every path but the document's own."""

VERSION = "1"
"""Of the interface: what changes within it breaks no client."""

_FILE = "openapi.json"

_ALWAYS = ("token-missing", "token-refused", "token-expired", "too-often", "too-many-tokens",
           "fault", "stopping")  # fmt: skip
_LOOKUP = ("billing-data", "billing-slow", "billing-down", "busy")

_PATH = re.compile(r"\{(\w+)\}")
_REF = "#/components/schemas/{model}"


def codes_of(operation: Operation) -> list[str]:
    """Return every problem that an operation can end in."""
    codes = [*_ALWAYS, *operation.codes, "invalid"]
    if operation.path != "/client":
        codes += _LOOKUP
    if operation.may:
        codes += ["not-allowed"]
    if "{account}" in operation.path:
        codes += ["handle-unknown"]
    return sorted(set(codes), key=list(KINDS).index)


def stored() -> bytes:
    """Return the document as it is served."""
    return (resources.files("ivrd.control") / "schemas" / _FILE).read_bytes()


def document() -> dict[str, Any]:
    """Return the document."""
    models: list[type[BaseModel]] = [ProblemTold, FlawTold]
    for operation in OPERATIONS:
        models += [operation.answer, *([operation.body] if operation.body else [])]
    # of what is sent, each in the mode in which it travels
    modes: list[tuple[type[BaseModel], Any]] = [
        (model, "validation" if model in {one.body for one in OPERATIONS} else "serialization")
        for model in dict.fromkeys(models)
    ]
    refs, schemas = models_json_schema(modes, ref_template=_REF)
    for operation in OPERATIONS:
        if operation.body:
            properties = schemas["$defs"][operation.body.__name__]["properties"]
            for name, said in properties.items():
                properties[name] = {**_without_null(said), "description": said["description"]}
    names = {model: refs[model, mode]["$ref"] for model, mode in modes}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(PREFIX + operation.path, {})
        path[operation.method.lower()] = _operation(operation, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ivrd",
            "version": VERSION,
            "summary": "Bills, calls and arrears of an account, to be read.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer",
                          "description": "`ivrd api client add` makes one"}
            },
            "schemas": schemas["$defs"],
        },
    }  # fmt: skip


def _operation(operation: Operation, names: dict[type[BaseModel], str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), _LANGUAGE],
        "responses": {"200": _answer(operation, names), **_problems(operation, names)},
    }
    if operation.body:
        schema = {"$ref": names[operation.body]}
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return told


_LANGUAGE: dict[str, Any] = {
    "name": "Accept-Language",
    "in": "header",
    "description": "names of items and titles of problems come in Chinese or English",
    "schema": {"type": "string"},
    "example": "zh-CN",
}

_HEADERS: dict[str, Any] = {
    "Content-Language": {"schema": {"type": "string"}},
    "Cache-Control": {"schema": {"const": "no-store"}},
}

_WAIT: dict[str, Any] = {
    "required": True, "description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}
}  # fmt: skip


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    schemas: dict[str, dict[str, Any]] = {
        "account": {"type": "string", "minLength": 1, "description": "a handle of find_account"},
        "month": _schema_of(Month),
    }
    return [
        {"name": name, "in": "path", "required": True, "schema": schemas[name]}
        for name in _PATH.findall(operation.path)
    ]


def _schema_of(annotated: Any) -> dict[str, Any]:
    schema: dict[str, Any] = TypeAdapter(annotated).json_schema()
    return schema


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    properties = operation.query.model_json_schema().get("properties", {})
    parameters = []
    for name, said in properties.items():
        schema = _without_null(said)
        plain = {k: v for k, v in schema.items() if k not in {"title", "description"}}
        description = said.get("description", schema.get("description", ""))
        parameters.append(
            {"name": name, "in": "query", "description": description, "schema": plain}
        )
    return parameters


def _without_null(said: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what may be left out; the models have "or null" there."""
    return next((one for one in said.get("anyOf", ()) if one.get("type") != "null"), said)


def _answer(operation: Operation, names: dict[type[BaseModel], str]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": operation.summary,
        "headers": _HEADERS,
        "content": {"application/json": {"schema": {"$ref": names[operation.answer]}}},
    }
    if operation.name == "find_account":
        answer["links"] = {
            other.name: {"operationId": other.name,
                         "parameters": {"account": "$response.body#/account"}}
            for other in OPERATIONS
            if "{account}" in other.path
        }  # fmt: skip
    if operation.name == "bills":
        answer["links"] = {
            other.name: {
                "operationId": other.name,
                "parameters": {"account": "$request.path.account",
                               "month": "$response.body#/bills/0/month"},
            }
            for other in OPERATIONS
            if "{month}" in other.path
        }  # fmt: skip
    return answer


def _problems(operation: Operation, names: dict[type[BaseModel], str]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes_of(operation):
        by_status.setdefault(KINDS[code].status, []).append(code)
    told: dict[str, Any] = {}
    for status, codes in sorted(by_status.items()):
        headers = dict(_HEADERS)
        if status == 401:
            headers["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
        if status in {429, 503}:
            headers["Retry-After"] = _WAIT
        told[str(status)] = {
            "description": "; ".join(f"`{code}`: {KINDS[code].en}" for code in codes),
            "headers": headers,
            "content": {MEDIA_TYPE: {"schema": {"$ref": names[ProblemTold]}}},
        }
    return told


def text() -> str:
    """Return the document as it is stored."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (Path(__file__).parents[1] / "schemas" / _FILE).write_text(text(), encoding="utf-8")
