"""What pydantic finds wrong, in words: the place, the key, and what was perhaps meant."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Sequence
from typing import Any, cast, get_args

from pydantic import BaseModel

from massgen_ls.config.backends import BACKENDS, BUILT, TYPES
from massgen_ls.config.layers import Merged
from massgen_ls.config.problems import Problem, Where
from massgen_ls.config.secrets import masked


class Misplaced(ValueError):
    """A refusal by a validator that knows better than pydantic where the trouble is.

    Args:
        what: What is wrong, without a full stop.
        where: The way to it, from the model that refuses.
    """

    def __init__(self, what: str, where: Where) -> None:
        super().__init__(what)
        self.where = where


def problem(
    merged: Merged,
    where: Where,
    what: str,
    *,
    suggestion: str = "",
    meant: str | None = None,
    on_key: bool = False,
    warning: bool = False,
    code: str = "",
) -> Problem:
    """A finding about a merged value, at the place in the file that says it."""
    origin = merged.origin(where, key=on_key)
    return Problem(
        what,
        origin.where,
        origin.line,
        origin.column,
        suggestion=suggestion,
        meant=meant,
        file=origin.source,
        severity="warning" if warning else "error",
        end=origin.end,
        on_key=on_key,
        code=code,
    )


def explain(merged: Merged, error: Any, top: type[BaseModel]) -> Problem:
    """One item of `ValidationError.errors` as a value.

    Args:
        merged: What was checked; knows the files and lines.
        error: The item.
        top: The model of the whole, which knows the names of keys.
    """
    tagged: Where = tuple(error["loc"])
    where = _untagged(tagged)
    kind: str = error["type"]
    given: object = error.get("input")
    if kind == "extra_forbidden":
        name, known = str(where[-1]), keys_at(top, tagged[:-1])
        near = nearest(name, known)
        what = f"unknown key {name!r}"
        then = f"did you mean {near!r}?" if near else f"known are: {', '.join(known)}"
        return problem(
            merged, where, what, suggestion=then, meant=near, on_key=True, code="unknown-key"
        )
    if kind == "missing":
        inner = where[:-1]
        what = f"the key {where[-1]!r} is missing"
        if where[-1] == "backend" and len(inner) == 2 and inner[0] == "agents":
            return problem(merged, inner, what, suggestion=_pool(merged), code="missing-key")
        return problem(merged, inner, what, code="missing-key")
    if kind == "literal_error":
        allowed = str(error["ctx"]["expected"]).replace("'", "")
        known = [word.strip() for word in allowed.replace(" or ", ",").split(",")]
        return _none_of(merged, where, given, known, allowed)
    if kind == "union_tag_invalid":
        return _none_of(merged, (*where, "type"), error["ctx"]["tag"], TYPES, ", ".join(BUILT))
    if kind == "union_tag_not_found":
        what = f"the key 'type' is missing; it is one of: {', '.join(BUILT)}"
        return problem(merged, where, what, code="missing-key")
    if kind == "value_error":
        raised = error["ctx"]["error"]
        where = (*where, *getattr(raised, "where", ()))
        return problem(merged, where, str(raised))
    then = _as_list(given) if kind == "tuple_type" and isinstance(given, str) else ""
    what = _misfit(where, kind, given, str(error["msg"]))
    return problem(merged, where, what, suggestion=then)


def _as_list(given: str) -> str:
    """One word for a list of them."""
    try:
        words = shlex.split(given)
    except ValueError:
        words = [given]
    shown = ", ".join(words)
    fits = shown == masked(shown)[1:-1] and all(_PLAIN.match(word) for word in words)
    return f"write [{shown}]" if fits else "write each word as an item: [one, two]"


def _misfit(where: Where, kind: str, given: object, said: str) -> str:
    """A value that has the wrong form."""
    shown = masked(given)
    if kind == "string_pattern_mismatch":
        if "permissions" in where:
            return (
                f"{shown} is no pattern: a kind (read, edit, run, fetch, other, *), and perhaps a "
                "colon and a glob, e.g. `run:pytest *`"
            )
        if where[-1] == "base_url":
            return f"{shown} is no http:// or https:// address"
        if where[-1] in {"api_key", "api_key_env"}:
            form = "${NAME}" if where[-1] == "api_key" else "NAME"
            return f"the name of an environment variable is wanted, as {form}"
        return f"{shown} is no name: letters, digits, dot, dash and underscore only"
    asked = said.removeprefix("Input ").replace("valid tuple", "list")
    asked = asked.removeprefix("Tuple ").removesuffix(", not 0").partition(", unable to")[0]
    asked = asked.replace("a valid number", "a number").replace("a valid integer", "a whole number")
    return f"{asked}, not {(_KINDS.get(type(given)) or shown)[:60]}"


_PLAIN = re.compile(r"^[A-Za-z0-9._/=-]+$")
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", type(None): "nothing"}


def _none_of(
    merged: Merged, where: Where, given: object, known: Sequence[str], allowed: str
) -> Problem:
    near = nearest(str(given), known)
    what = f"{masked(given)} is none of: {allowed}"
    then = f"did you mean {near!r}?" if near else ""
    return problem(merged, where, what, suggestion=then, meant=near, code="unknown-value")


def _pool(merged: Merged) -> str:
    named: dict[str, None] = {}
    for layer in merged.layers:
        agents: Any = layer.body.get("agents") if layer.maps else None
        for agent in cast("list[Any]", agents) if isinstance(agents, list) else ():
            if isinstance(agent, dict) and "backend" in agent:
                named[str(cast("dict[str, Any]", agent).get("id"))] = None
    return (
        "an agent without one has to be in a layer below, which know: " + ", ".join(named)
        if named
        else ""
    )


def _untagged(where: Where) -> Where:
    """A place without the type names that pydantic puts after ``backend``."""
    return tuple(
        part
        for i, part in enumerate(where)
        if not (i and where[i - 1] == "backend" and part in BACKENDS)
    )


def keys_at(top: type[BaseModel], where: Where) -> list[str]:
    """The keys that the schema knows at a place, with the backend's type after ``backend``."""
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


def nearest(given: str, known: Sequence[str]) -> str | None:
    """The word that was perhaps meant."""
    return next(iter(difflib.get_close_matches(given, known, 1)), None)
