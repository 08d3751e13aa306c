"""The table of what needs trust, held against everything that a configuration may say."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.schema import Configuration
from massgen_ls.core.powers import TABLE, Where, findings, key_of

DANGEROUS = {
    "argv", "program", "args", "base_url", "env", "login", "auth", "options", "setup", "include",
    "allow", "type", "model", "fallback", "system_message",
}  # fmt: skip
"""Whatever is called so, wherever it comes to stand."""


def fields(model: type[BaseModel], where: Where = ()) -> Iterator[tuple[Where, Any, object]]:
    """Every key of a model with its annotation and its default; lists as item 0."""
    if len(where) > 12:
        return
    for name, field in model.model_fields.items():
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        yield (*where, name), field.annotation, default
        for at, inner in models(field.annotation):
            if name not in where:  # a fallback may have a fallback
                yield from fields(inner, (*where, name, *at))


def models(annotation: Any) -> Iterator[tuple[Where, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield (), annotation
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from models(inner[0])
    elif origin in {Union, types.UnionType}:
        for each in inner:
            yield from models(each)
    elif origin in {tuple, list}:
        for at, model in models(inner[0]):
            yield (0, *at), model


SCHEMA = [*fields(Configuration)]
ROWS = {row.key: row for row in TABLE}
LEAVES = [(w, a, d) for w, a, d in SCHEMA if not any(True for _ in models(a))]


def test_the_schema_is_seen_whole() -> None:
    seen = {key_of(where) for where, _, _ in SCHEMA}
    assert {"agents.*.backend.argv", "checks.*.argv", "orchestrator.limits.max_cost"} <= seen
    for backend in BACKENDS.values():
        assert {f"agents.*.backend.{name}" for name in backend.model_fields} <= seen


def test_every_row_speaks_of_a_key_that_exists() -> None:
    seen = {key_of(where) for where, _, _ in SCHEMA}
    assert [key for key in ROWS if key not in seen] == []


@pytest.mark.parametrize(("where", "annotation", "default"), LEAVES, ids=lambda v: str(v)[:60])
def test_a_key_is_harmless_only_where_the_table_says_so(
    where: Where, annotation: object, default: object
) -> None:
    hostile: Any = ["evil"]
    for part in reversed(where):
        hostile = [hostile] if part == 0 else {part: hostile}
    row = ROWS.get(key_of(where))
    found = findings(hostile)
    if row is None or row.may != "choose":
        if row is not None and row.may == "more":
            return  # a longer list of denials
        assert found, "a key that nobody has thought about needs trust"
    if where == ("include",):
        return  # of the same project only, and what it includes is looked at like the rest
    if DANGEROUS & {str(part) for part in where}:
        assert found, "it starts, opens or spends something"


@pytest.mark.parametrize("key", [r.key for r in TABLE if r.may in {"lower", "higher", "stricter"}])
def test_the_table_knows_the_schema_s_defaults(key: str) -> None:
    """Else a project could say less than its user has by default, or more."""
    said = {repr(plain(d)) for w, _, d in SCHEMA if key_of(w) == key}
    assert repr(plain(ROWS[key].default)) in said, (ROWS[key], said)


def plain(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("row", [r for r in TABLE if r.may == "stricter"], ids=lambda r: r.key)
def test_the_words_in_an_order_are_all_words_there_are(row: Any) -> None:
    (annotation,) = {str(a): a for w, a, _ in SCHEMA if key_of(w) == row.key}.values()
    if get_origin(annotation) is Literal:
        assert set(get_args(annotation)) == set(row.order)
    else:
        assert set(row.order) == {True, False}
