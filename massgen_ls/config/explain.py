"""What is wrong with a configuration, in words: the place, the key, and what was perhaps meant."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel

from massgen_ls.config.backends import BACKENDS, TYPES
from massgen_ls.config.document import Document, Where


def explain(document: Document, shown: str, error: Any, top: type[BaseModel]) -> str:
    """``file:line:column: in agents[0]: what is wrong; did you mean …?``.

    Args:
        document: Where the line is found.
        shown: The file's name.
        error: One item of `ValidationError.errors`.
        top: The model of the whole file, which knows the names of keys.
    """
    tagged: Where = tuple(error["loc"])
    where = _untagged(tagged)
    line, column = document.place(where)
    path = _path(where)
    kind: str = error["type"]
    given: object = error.get("input")
    if kind == "extra_forbidden":
        what = f"unknown key {where[-1]!r}{_near(str(where[-1]), _keys_at(top, tagged[:-1]))}"
        path = _path(where[:-1])
    elif kind == "missing":
        what = f"the key {where[-1]!r} is missing"
        path = _path(where[:-1])
    elif kind == "literal_error":
        allowed = str(error["ctx"]["expected"]).replace("'", "")
        known = [word.strip() for word in allowed.replace(" or ", ",").split(",")]
        near = difflib.get_close_matches(str(given), known, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        what = f"{given!r} is none of: {allowed}{meant}"
    elif kind == "union_tag_invalid":
        where = (*where, "type")
        line, column = document.place(where)
        path = _path(where)
        tag = str(error["ctx"]["tag"])
        near = difflib.get_close_matches(tag, TYPES, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        what = f"{tag!r} is none of: {', '.join(BACKENDS)}{meant}"
    elif kind == "union_tag_not_found":
        what = f"the key 'type' is missing; it is one of: {', '.join(BACKENDS)}"
    elif kind == "string_pattern_mismatch" and "permissions" in where:
        what = (
            f"{given!r} is no pattern: a kind (read, edit, run, fetch, other, *), and perhaps a "
            "colon and a glob, e.g. `run:pytest *`"
        )
    elif kind == "string_pattern_mismatch" and where[-1] == "base_url":
        what = f"{given!r} is no http:// or https:// address"
    elif kind == "string_pattern_mismatch":
        what = f"{given!r} is no name: letters, digits, dot, dash and underscore only"
    elif kind in {"value_error"}:
        what = str(error["ctx"]["error"])
    else:
        shown_input = _KINDS.get(type(given)) or repr(given)
        asked = error["msg"].removeprefix("Input ").replace("valid tuple", "list")
        asked = asked.removeprefix("Tuple ").removesuffix(", not 0")
        what = f"{asked}, not {shown_input[:60]}"
    return f"{shown}:{line}:{column}: {f'in {path}: ' if path else ''}{what}"


_KINDS: dict[type, str] = {dict: "a mapping", list: "a list"}


def _path(where: Where) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _untagged(where: Where) -> Where:
    """A place without the type names that pydantic puts after ``backend``."""
    return tuple(
        part
        for i, part in enumerate(where)
        if not (i and where[i - 1] == "backend" and part in BACKENDS)
    )


def _keys_at(top: type[BaseModel], where: Where) -> list[str]:
    """The keys that the schema knows at a place."""
    model: Any = top
    for i, part in enumerate(where):
        if isinstance(part, int):
            continue
        if i and where[i - 1] == "backend" and part in BACKENDS:
            model = BACKENDS[part]
            continue
        info = model.model_fields.get(part)
        if info is None:
            return []
        model = _model_in(info.annotation)
        if model is None:
            return []
    return list(model.model_fields)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m), None)


def _near(given: str, known: list[str]) -> str:
    near = difflib.get_close_matches(given, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are: {', '.join(known)}"
