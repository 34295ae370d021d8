"""What pydantic found wrong in a TOML file, told as problems: place, expectation, nearest name."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ivrd.errors import Problem, nearest
from ivrd.toml_file import TomlFile

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "a table",
    "too_short": "at least one entry",
    "string_too_short": "at least one character",
}


def problems_of(error: ValidationError, model: type[BaseModel], toml: TomlFile) -> list[Problem]:
    """Return one problem for each root error that pydantic reported."""
    problems: dict[tuple[tuple[str | int, ...], str], Problem] = {}
    for detail in error.errors(include_url=False):
        key = _in_file(detail["loc"], toml.data)
        problem = _problem(detail, key, model, toml)
        # the branches of a union each say what they would have wanted of one and the same value
        problems.setdefault((key, problem.rule), problem)
    return _without_echoes(problems)


def _without_echoes(
    problems: dict[tuple[tuple[str | int, ...], str], Problem],
) -> list[Problem]:
    """Leave out a missing key that stands there misspelt: that is one error, not two."""
    meant = {
        (*key[:-1], problem.nearest)
        for (key, rule), problem in problems.items()
        if rule == "unknown-key"
    }
    return [p for (key, rule), p in problems.items() if rule != "missing" or key not in meant]


def _problem(
    detail: ErrorDetails, key: tuple[str | int, ...], model: type[BaseModel], toml: TomlFile
) -> Problem:
    kind, given = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        names = _keys_at(model, key[:-1], toml.data)
        return toml.problem(
            key, "no such key", expected="one of " + ", ".join(names),
            nearest=nearest(str(key[-1]), names), rule="unknown-key",
        )  # fmt: skip
    if kind == "missing":
        return toml.problem(
            key, "missing", expected=_choices(model, key, toml.data), rule="missing"
        )
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        field = str(context["discriminator"]).strip("'")
        tags = [str(tag) for m in _models_at(model, key, toml.data) for tag in _fixed(m, field)]
        given = context.get("tag")
        return toml.problem(
            (*key, field),
            "missing" if given is None else f"is {given!r}",
            expected=" or ".join(tags),
            nearest=nearest(str(given), tags),
            rule="missing" if given is None else "value",
        )
    if kind in {"literal_error", "enum"}:
        names = [
            name.strip("' ") for name in str(context["expected"]).replace(" or ", ",").split(",")
        ]
        return toml.problem(
            key, f"is {given!r}", expected=" or ".join(names), nearest=nearest(str(given), names),
            rule="value",
        )  # fmt: skip
    if kind in {"model_type", "model_attributes_type"}:
        return toml.problem(
            key, f"is {given!r}", expected="a name, or a table of keys", rule="value"
        )
    if kind == "name":
        return toml.problem(
            key,
            detail["msg"],
            expected=context["expected"],
            nearest=context["nearest"],
            rule="value",
        )
    if kind == "value_error":
        return toml.problem(key, str(context["error"]), rule="value")
    if kind == "string_pattern_mismatch":
        return toml.problem(
            key, f"is {given!r}", expected=f"text that matches {context['pattern']}", rule="value"
        )
    expected = _EXPECTED.get(kind, detail["msg"].removeprefix("Input should be "))
    return toml.problem(key, f"is {given!r}", expected=expected, rule="value")


def _in_file(loc: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """Drop from a location what is pydantic's own: the tags of unions, and ``[key]``."""
    key: list[str | int] = []
    for index, part in enumerate(loc):
        at_key = isinstance(data, dict) and part in data
        if at_key or (isinstance(data, list) and isinstance(part, int) and part < len(data)):
            data = data[part]
        elif index < len(loc) - 1 or not isinstance(data, dict) or part == "[key]":
            continue
        key.append(part)
    return tuple(key)


def _keys_at(model: type[BaseModel], key: tuple[str | int, ...], data: Any) -> list[str]:
    """Return the keys that may stand in the table at `key`."""
    keys = {
        info.alias or name: None
        for candidate in _models_at(model, key, data)
        for name, info in candidate.model_fields.items()
    }
    return list(keys)


def _choices(model: type[BaseModel], key: tuple[str | int, ...], data: Any) -> str | None:
    """Return the values that may stand at `key`, where they are few and fixed."""
    for candidate in _models_at(model, key[:-1], data):
        info = candidate.model_fields.get(str(key[-1]))
        if info is not None and get_origin(info.annotation) is Literal:
            return " or ".join(str(value) for value in get_args(info.annotation))
    return None


def _models_at(
    model: type[BaseModel], key: tuple[str | int, ...], data: Any
) -> list[type[BaseModel]]:
    """Return the models that the table at `key` may follow; where its tag is right, that one."""
    candidates: list[type[BaseModel]] = [model]
    for part in key:
        data = data[part]
        found: list[type[BaseModel]] = []
        for candidate in candidates:
            named = {(info.alias or name): info for name, info in candidate.model_fields.items()}
            if part in named:
                found += _models_in(named[str(part)].annotation)
        tagged = [
            m for m in found if any(t in _tags(data) for f in m.model_fields for t in _fixed(m, f))
        ]
        candidates = tagged or found or candidates
    return candidates


def _tags(data: Any) -> list[Any]:
    return (
        [value for value in data.values() if isinstance(value, str)]
        if isinstance(data, dict)
        else []
    )


def _fixed(model: type[BaseModel], field: str) -> tuple[Any, ...]:
    """Return the one value that a model's field may have, if it is a tag."""
    info = model.model_fields.get(field)
    values = get_args(info.annotation) if info and get_origin(info.annotation) is Literal else ()
    return values if len(values) == 1 else ()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {Union, types.UnionType, Annotated, dict, list}:
        return [model for arg in get_args(annotation) for model in _models_in(arg)]
    return []
