"""What the schema says about a place, out of the published JSON schema: no pydantic is needed."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from massgen_ls.config.problems import Where

Form = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may stand at a place."""

    name: str
    kind: str
    """What stands there: ``number``, ``list``, ``mapping``, ``text``, as a few words."""
    documentation: str = ""
    default: str = ""
    """Its value where nobody says one; empty for none."""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value that may stand at a place."""

    text: str
    documentation: str = ""
    is_text: bool = True
    """A text, which JSON and TOML want in quotes."""
    detail: str = ""
    """What kind of thing it names."""


@functools.cache
def schema() -> Form:
    """The JSON schema, as it is in the package."""
    text = importlib.resources.files("massgen_ls.config").joinpath("massgen.schema.json")
    return json.loads(text.read_text("utf-8"))


def forms(body: Any, where: Where) -> list[Form]:
    """What may stand at a place.

    Args:
        body: The rough shape of the file, for the types of backends.
        where: The way to the place.
    """
    found = list(_expand(schema(), body, typed=True))
    value: Any = body
    for number, part in enumerate(where):
        value = _inner(value, part)
        # While a type is typed, all of them are meant.
        typed = where[number + 1 : number + 2] != ("type",)
        inner = [i for form in found for i in _below(form, part)]
        found = [each for form in inner for each in _expand(form, value, typed=typed)]
    unique: list[Form] = []
    for form in found:
        if form not in unique:
            unique.append(form)
    return unique


def keys(body: Any, where: Where) -> dict[str, Key]:
    """The keys that may stand in a mapping, in the order of the schema."""
    merged: dict[str, list[Form]] = {}
    required: set[str] = set()
    for form in forms(body, where):
        required |= set(form.get("required", ()))
        for name, inner in cast("dict[str, Form]", form.get("properties", {})).items():
            listed = merged.setdefault(name, [])
            if inner not in listed:
                listed.append(inner)
    return {
        n: _key(n, [_resolved(f) for f in fs], required=n in required) for n, fs in merged.items()
    }


def _key(name: str, listed: Sequence[Form], *, required: bool) -> Key:
    default: object = next((f["default"] for f in listed if "default" in f), None)
    told = default not in (None, "", [], {}) and not isinstance(default, dict)
    return Key(
        name,
        " or ".join(dict.fromkeys(word for form in listed for word in _kinds(form))),
        next((str(f["description"]) for f in listed if f.get("description")), ""),
        json.dumps(default).strip('"') if told else "",
        required,
    )


def key(body: Any, where: Where) -> Key | None:
    """What is known of the key at the end of a way."""
    if not where or isinstance(where[-1], int):
        return None
    return keys(body, where[:-1]).get(where[-1])


def values(body: Any, where: Where) -> list[Value]:
    """The words that the schema has for a place."""
    found: dict[str, Value] = {}
    for form in forms(body, where):
        said = str(form.get("description", ""))
        listed = list(cast("Sequence[object]", form.get("enum", ())))
        if "const" in form:
            listed.append(form["const"])
        if form.get("type") == "boolean":
            listed += [True, False]
        for each in listed:
            text = json.dumps(each) if not isinstance(each, str) else each
            found.setdefault(text, Value(text, said, isinstance(each, str)))
    if where[-2:-1] == ("backend",) and where[-1] == "type":
        about = types()
        found = {n: Value(n, about.get(n, v.documentation)) for n, v in found.items()}
    return list(found.values())


@functools.cache
def types() -> Mapping[str, str]:
    """What each type of a backend is."""
    found: dict[str, str] = {}
    for model in cast("dict[str, Form]", schema()["$defs"]).values():
        kind = model.get("properties", {}).get("type", {})
        for name in kind.get("enum") or [kind.get("const")]:
            if name:
                found[str(name)] = str(model.get("description", ""))
    return found


def _inner(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return cast("dict[Any, Any]", value).get(part)
    if isinstance(value, list) and isinstance(part, int):
        listed = cast("list[Any]", value)
        return listed[part] if part < len(listed) else None
    return None


def _below(form: Form, part: str | int) -> Iterator[Form]:
    if isinstance(part, int):
        if "items" in form:
            yield form["items"]
        return
    known = form.get("properties", {}).get(part)
    if known is not None:
        yield known
    elif isinstance(form.get("additionalProperties"), dict):
        yield form["additionalProperties"]


def _expand(form: Form, value: Any, *, typed: bool) -> Iterator[Form]:
    """Every form that a place may have; of a backend with a type only that one."""
    if "$ref" in form:
        inner = dict(_resolved(form))
        yield from _expand(inner, value, typed=typed)
        return
    kind = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else None
    ways = form.get("anyOf") or form.get("oneOf") or ()
    if not ways:
        yield form
        return
    chosen = _chosen(form, kind) if typed else None
    if chosen is not None:
        yield from _expand({"$ref": chosen}, value, typed=typed)
        return
    for way in cast("Sequence[Form]", ways):
        yield from _expand(way, value, typed=typed)


def _chosen(form: Form, kind: object) -> str | None:
    for way in (form, *form.get("anyOf", ())):
        mapping = way.get("discriminator", {}).get("mapping", {})
        if isinstance(kind, str) and kind in mapping:
            return str(mapping[kind])
    return None


def _resolved(form: Form) -> Form:
    if "$ref" not in form:
        return form
    inner = schema()["$defs"][str(form["$ref"]).rpartition("/")[2]]
    return {**inner, **{k: v for k, v in form.items() if k != "$ref"}}


_WORDS = {"object": "mapping", "array": "list", "string": "text", "boolean": "true or false"}


def _kinds(form: Form) -> Iterator[str]:
    form = _resolved(form)
    for way in (*form.get("anyOf", ()), *form.get("oneOf", ())):
        yield from _kinds(way)
    kind = form.get("type")
    if isinstance(kind, str) and kind != "null":
        yield _WORDS.get(kind, kind)
