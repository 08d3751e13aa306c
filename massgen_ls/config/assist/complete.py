"""What may be typed at a place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Literal, cast

from massgen_ls.config.assist import known
from massgen_ls.config.assist.known import Value
from massgen_ls.config.assist.place import place
from massgen_ls.config.assist.shape import Spot
from massgen_ls.config.massgen.report import Kind
from massgen_ls.config.models import models
from massgen_ls.config.problems import Where
from massgen_ls.config.secrets import names_secret

_MOST = 200
_PATTERNS = ("read", "edit", "run:", "fetch", "other", "*")


@dataclass(frozen=True, slots=True)
class Around:
    """What is known beside the file."""

    variables: Iterable[str] = ()
    """Names of environment variables."""
    acp: Mapping[str, str] = field(default_factory=dict[str, str])
    """Agents that speak ACP: what each id stands for."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that may be typed."""

    label: str
    kind: Literal["key", "value", "variable"]
    new: str
    """What goes in the place of ``start`` to ``end``."""
    start: int
    end: int
    detail: str = ""
    documentation: str = ""
    hole: str = ""
    """What goes between ``new`` and the cursor's place behind it: a list's or mapping's start."""
    filter: str = ""
    """What the user has typed is compared with this."""
    required: bool = False


def complete(
    text: str, cursor: int, file: PurePath, around: Around, kind: Kind = "massgen-ls"
) -> list[Offer]:
    """Everything that may stand at a place. Never raises.

    Args:
        text: The whole, right or not.
        cursor: An offset in it.
        file: Its path, for the language.
        around: What is known beside it.
        kind: Whose file it is.
    """
    if kind == "massgen":
        from massgen_ls.config.assist import foreign as source
    else:
        source = known
    try:
        shape = place(text, cursor, file)
        body = shape.root.plain()
    except RecursionError:  # nested as nothing of ours ever is
        return []
    found: list[Offer] = []
    for spot in shape.spots:
        if spot.role == "key":
            found += _keys(source.keys, body, spot)
        else:
            values = (*source.values(body, spot.node.where), *_special(body, spot, around))
            found += _values(values, spot)
    return found[:_MOST]


def _keys(
    known_keys: Callable[[Any, Where], Mapping[str, known.Key]], body: Any, spot: Spot
) -> Iterator[Offer]:
    where = spot.node.where
    there = spot.there
    lead = spot.lead
    found = known_keys(body, where)
    if not found and spot.style == "block":  # a list of mappings that has no item yet
        found, lead = known_keys(body, (*where, 0)), lead + "- "
    for name, key in found.items():
        if name in there:
            continue
        new = lead + _written(name, spot)
        yield Offer(
            name,
            "key",
            new,
            spot.start,
            spot.end,
            key.kind,
            _documented(key),
            _after(key, spot),
            _quoted(name, spot),
            key.required,
        )


def _written(name: str, spot: Spot) -> str:
    if spot.style == "header":
        return name
    if spot.style == "json":
        return f'"{name}"' + (": " if spot.alone else "")
    quoted = f"{spot.quoted}{name}{spot.quoted}"
    return quoted + ((" = " if spot.style == "toml" else ": ") if spot.alone else "")


def _after(key: known.Key, spot: Spot) -> str:
    """The start of a value, for clients that can put the cursor into it."""
    if not spot.alone:
        return ""
    kinds = set(key.kind.split(" or "))
    if spot.style == "block":
        return ""
    if kinds == {"text"}:
        return '"$0"'
    if kinds == {"list"}:
        return "[$0]"
    return "{$0}" if kinds == {"mapping"} else ""


def _quoted(name: str, spot: Spot) -> str:
    return spot.quoted + name if spot.quoted else name


def _documented(key: known.Key) -> str:
    parts = [key.documentation]
    if key.default:
        parts.append(f"Default: `{key.default}`.")
    return "\n\n".join(filter(None, parts))


def _values(values: Iterable[Value], spot: Spot) -> Iterator[Offer]:
    for value in values:
        yield Offer(
            value.text,
            "variable" if value.detail else "value",
            spot.lead + _scalar(value, spot),
            spot.start,
            spot.end,
            value.detail,
            value.documentation,
            filter=_quoted(value.text, spot),
        )


def _scalar(value: Value, spot: Spot) -> str:
    if not value.is_text:
        return value.text
    if spot.style in {"json", "toml"}:
        return json.dumps(value.text)
    if spot.quoted:
        return f"{spot.quoted}{value.text}{spot.quoted}"
    plain = value.text.replace("_", "a").replace("-", "a").isalnum()
    # To YAML 1.1 these are no texts.
    plain = plain and value.text.lower() not in {"on", "off", "yes", "no", "true", "false", "null"}
    return value.text if plain else json.dumps(value.text)


def _special(body: Any, spot: Spot, around: Around) -> Iterator[Value]:
    where = spot.node.where
    last = where[-1] if where else ""
    holder = where[-2] if len(where) > 1 else ""
    backend = _at(body, where[:-1]) if holder == "backend" else None
    kind = str(cast("dict[str, Any]", backend).get("type")) if isinstance(backend, dict) else ""
    if last == "api_key_env" or (holder == "env" and isinstance(last, int)):
        names = sorted(around.variables, key=lambda n: (not names_secret(n), n))
        yield from (Value(name, detail="environment variable") for name in names)
    elif last == "api_key":
        names = sorted(name for name in around.variables if names_secret(name))
        yield from (Value(f"${{{name}}}", detail="environment variable") for name in names)
    elif last == "agent" and kind == "acp":
        yield from (Value(name, about) for name, about in around.acp.items())
    elif last == "model":
        yield from (Value(model.name, model.about) for model in models(kind))
    elif "judges" in where and (isinstance(last, int) or last == "id"):
        yield from (Value(name, "An agent of this file.") for name in _ids(body))
    elif holder in {"allow", "deny"} and "permissions" in where:
        yield from (Value(each) for each in _PATTERNS)


def _ids(body: Any) -> Iterator[str]:
    agents = _at(body, ("agents",))
    for agent in cast("list[Any]", agents) if isinstance(agents, list) else ():
        name = _at(agent, ("id",))
        if isinstance(name, str):
            yield name


def _at(body: Any, where: Where) -> Any:
    for part in where:
        if isinstance(body, dict):
            body = cast("dict[Any, Any]", body).get(part)
        elif isinstance(body, list) and isinstance(part, int) and part < len(cast("Any", body)):
            body = cast("list[Any]", body)[part]
        else:
            return None
    return body
