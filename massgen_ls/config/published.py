"""The schema for people and their editors: JSON schema with a description of every key.

The descriptions are the docstrings under the fields of the models. They are read from the source,
and only here: nothing that runs pays for them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any, cast, get_args

from pydantic import BaseModel

from massgen_ls.config.backends import BACKENDS, NOT_BUILT
from massgen_ls.config.schema import Configuration


@cache
def described(model: type[BaseModel]) -> Mapping[str, str]:
    """What each field of a model means, by its name; its own docstring by ``""``."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not (issubclass(base, BaseModel) and base is not BaseModel):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        body = cast("ast.ClassDef", tree).body
        found[""] = ast.get_docstring(cast("ast.ClassDef", tree)) or found.get("", "")
        for field, text in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                found[field.target.id] = inspect.cleandoc(text.value.value)
    return {name: " ".join(text.split()) for name, text in found.items()}


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file."""
    schema = Configuration.model_json_schema()
    models = {model.__name__: model for model in _models(Configuration)}
    for name, inner in cast("dict[str, Any]", schema["$defs"]).items():
        _describe(inner, models[name])
    _describe(schema, Configuration)
    definitions = schema["$defs"]
    # What validators take beside the form that they make of it.
    name = definitions["Agent"]["properties"]["id"]
    _or(definitions["Worker"]["properties"]["permissions"], _modes(definitions))
    _or(definitions["Agent"]["properties"]["permissions"], _modes(definitions))
    _or(definitions["VotingRules"]["properties"]["judges"]["items"], name)
    _or(schema["properties"]["agents"]["items"], name)
    _or(schema["properties"]["checks"]["items"], name)
    # In a file of several, what is missing may stand in a lower one.
    definitions["Agent"]["required"] = ["id"]
    changeable = {
        key: field
        for model in reversed(list(dict.fromkeys(BACKENDS.values())))
        for key, field in definitions[model.__name__]["properties"].items()
        if key != "type"
    }
    definitions["Change"] = {
        "description": "Changes the backend that a lower layer has for this agent.",
        "type": "object",
        "additionalProperties": False,
        "properties": changeable,
    }
    _or(definitions["Agent"]["properties"]["backend"], {"$ref": "#/$defs/Change"})
    definitions["Check"]["required"] = ["name"]
    profile = {k: v for k, v in schema["properties"].items() if k not in {"profiles", "include"}}
    definitions["Profile"] = {
        "description": "Settings that count over the rest of the file.",
        "type": "object",
        "additionalProperties": False,
        "properties": profile,
    }
    profiles = schema["properties"]["profiles"]
    profiles["propertyNames"] = {k: v for k, v in name.items() if k != "description"}
    profiles["additionalProperties"] = {"$ref": "#/$defs/Profile"}
    profiles.pop("patternProperties", None)
    missing = [kind for kinds in NOT_BUILT.values() for kind in kinds]
    for inner in definitions.values():
        kind = inner.get("properties", {}).get("type", {})
        kinds = kind.get("enum") or [kind.get("const")]
        if kinds[0] in missing:
            inner["description"] += " Valid here; this version has no driver for it."
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "massgen-ls",
        "additionalProperties": False,
    }


def _modes(definitions: dict[str, Any]) -> dict[str, Any]:
    mode = definitions["PermissionRules"]["properties"]["mode"]
    return {"type": "string", "enum": mode["enum"]}


_FORM = ("$ref", "type", "items", "allOf", "oneOf", "discriminator")


def _or(place: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Lets a place take another form as well."""
    first = {key: place.pop(key) for key in _FORM if key in place}
    plain = {k: v for k, v in other.items() if k not in {"description", "title"}}
    place["anyOf"] = [first, plain]


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    texts = described(model)
    schema.pop("title", None)
    schema["description"] = texts[""]
    for name, inner in cast("dict[str, Any]", schema.get("properties", {})).items():
        inner.pop("title", None)
        if name in texts:
            inner["description"] = texts[name]


def _models(top: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and all that its fields are made of."""
    found: dict[type[BaseModel], None] = {}
    waiting: list[Any] = [top]
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            if each not in found:
                found[each] = None
                waiting += [info.annotation for info in each.model_fields.values()]
        else:
            waiting += get_args(each)
    return list(found)
