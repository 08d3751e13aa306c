"""Reads JSON that anybody may have written: what is not of the expected type is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

Object = Mapping[str, Any]
NOTHING: Object = {}


def as_object(value: object) -> Object:
    """The value if it is an object, else an empty one."""
    return cast("Object", value) if isinstance(value, dict) else NOTHING


def objects(value: object) -> list[Object]:
    """The objects in a list."""
    if not isinstance(value, list):
        return []
    return [cast("Object", item) for item in cast("list[Any]", value) if isinstance(item, dict)]


def inner(told: Object, name: str) -> Object:
    """An object in an object."""
    return as_object(told.get(name))


def text(told: Object, name: str) -> str:
    """A text in an object, or an empty one."""
    value = told.get(name)
    return value if isinstance(value, str) else ""


def count(told: Object, name: str) -> int:
    """A whole number above zero in an object, or 0."""
    value = told.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
