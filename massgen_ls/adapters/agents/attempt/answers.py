"""A judgement in an agent's words: found in its text, and looked at by its schema.

Only what our own schemas use is checked: ``type``, ``enum``, ``const``, ``properties``,
``required``, ``additionalProperties: false``, ``items``, ``minimum``, ``maximum``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from massgen_ls.core.task import Json

_FENCE = re.compile(r"```[a-zA-Z]*[ \t]*\n(.*?)```", re.DOTALL)
_LONGEST = 1024 * 1024
_STARTS = 64
"""How many braces of a text are tried as the beginning of an answer."""


def wish(schema: Mapping[str, Json]) -> str:
    """Asks for an answer by a schema, as the end of a prompt."""
    return (
        "Answer with one JSON value alone: no words around it, no code fence. Change no file. "
        f"It must be valid by this JSON schema:\n\n{json.dumps(schema, indent=1)}"
    )


def again(problem: str, schema: Mapping[str, Json]) -> str:
    """Asks once more, saying what was wrong."""
    return f"Your answer cannot be used: {problem}. {wish(schema)}"


def answer(text: str, schema: Mapping[str, Json]) -> tuple[Json, str]:
    """The answer in a text, and what is wrong with it: one of the two is empty.

    The last value that is valid counts; agents think aloud before they answer.
    """
    said = "there is no JSON value in it"
    for value in _values(text[-_LONGEST:]):
        wrong = problem(value, schema)
        if not wrong:
            return value, ""
        said = wrong
    return None, said


def problem(value: object, schema: Mapping[str, Json], where: str = "the answer") -> str:
    """What is wrong with a value, as half a sentence; empty when nothing is."""
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    if names and not any(_is(value, str(name)) for name in names):
        return f"{where} must be of type {' or '.join(map(str, names))}"
    allowed = schema.get("enum")
    if isinstance(allowed, list) and not any(_same(value, one) for one in allowed):
        return f"{where} must be one of {json.dumps(allowed)}"
    if "const" in schema and not _same(value, schema["const"]):
        return f"{where} must be {json.dumps(schema['const'])}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _out_of_range(value, schema, where)
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for number, item in enumerate(cast("list[object]", value)):
                if wrong := problem(item, items, f"{where}[{number}]"):
                    return wrong
    if isinstance(value, dict):
        return _members(cast("Mapping[str, object]", value), schema, where)
    return ""


def _members(value: Mapping[str, object], schema: Mapping[str, Json], where: str) -> str:
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            return f"{where} lacks {name!r}"
    known = schema.get("properties")
    properties = known if isinstance(known, dict) else {}
    for name, member in value.items():
        rule = properties.get(name)
        if isinstance(rule, dict):
            if wrong := problem(member, rule, f"{where}.{name}"):
                return wrong
        elif name not in properties and schema.get("additionalProperties") is False:
            return f"{where} must not have {name!r}"
    return ""


def _out_of_range(value: float, schema: Mapping[str, Json], where: str) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if isinstance(least, int | float) and value < least:
        return f"{where} must be at least {least}"
    if isinstance(most, int | float) and value > most:
        return f"{where} must be at most {most}"
    return ""


def _is(value: object, name: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match name:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "number":
            return number
        case "integer":
            return number and float(cast("float", value)).is_integer()
        case _:
            return True


def _same(one: object, other: object) -> bool:
    """Equal as JSON: ``true`` is not ``1``."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _values(text: str) -> Iterator[Any]:
    """Values that may be meant, the likeliest first."""
    for part in (text, *reversed(_FENCE.findall(text))):
        if (value := _loaded(part.strip())) is not _NONE:
            yield value
    decoder = json.JSONDecoder(parse_constant=_refuse)
    ends = 0
    found: list[Any] = []
    for match in list(re.finditer(r"[{\[]", text))[-_STARTS * 16 :]:
        if match.start() < ends or len(found) >= _STARTS:
            continue
        try:
            value, ends = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        found.append(value)
    yield from reversed(found)


_NONE = object()


def _loaded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _NONE


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
