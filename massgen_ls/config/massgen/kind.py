"""Whose configuration a document is: never both, never neither."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.massgen.backend import BACKEND, SERVICE
from massgen_ls.config.massgen.orchestrator import ORCHESTRATOR
from massgen_ls.config.massgen.report import Kind
from massgen_ls.config.massgen.rules import Table
from massgen_ls.config.massgen.tables import AGENT, TOP
from massgen_ls.config.schema import Agent, Configuration, Orchestrator

_OURS = {"command", "acp"}
"""Types of backends that MassGen does not have."""


def kind_of(body: Any) -> Kind:
    """The rule.

    1. A document with a key, a backend type or a form of a value that only massgen-ls knows is
       ours.
    2. Else one with a key or a form of a value that only MassGen knows is MassGen's.
    3. Else it means the same to both, and is ours.
    """
    found: Kind = "massgen-ls"
    for found in _marks(body):
        if found == "massgen-ls":
            break
    return found


def _marks(body: Any) -> Iterator[Kind]:
    """Whose each thing is that only one of the two knows."""
    top = _mapping(body)
    yield from _compare(top, *_alone("top"))
    orchestrator = _mapping(top.get("orchestrator"))
    yield from _compare(orchestrator, *_alone("orchestrator"))
    yield from _form(orchestrator, "timeout", massgen=dict, ours=(int, float))
    listed = top.get("agents")
    agents = [*(cast("list[Any]", listed) if isinstance(listed, list) else ()), top.get("agent")]
    for agent in map(_mapping, agents):
        yield from _compare(agent, *_alone("agent"))
        backend = _mapping(agent.get("backend"))
        kind = backend.get("type")
        if isinstance(kind, str) and kind in _OURS:
            yield "massgen-ls"
        yield from _compare(backend, *_alone("backend"))
        yield from _form(backend, "env", massgen=dict, ours=(list,))


def _compare(
    given: Mapping[str, Any], theirs: AbstractSet[str], ours: AbstractSet[str]
) -> Iterator[Kind]:
    if not ours.isdisjoint(given):
        yield "massgen-ls"
    if not theirs.isdisjoint(given):
        yield "massgen"


def _form(
    holder: Mapping[str, Any], key: str, *, massgen: type, ours: tuple[type, ...]
) -> Iterator[Kind]:
    value = holder.get(key)
    if isinstance(value, massgen):
        yield "massgen"
    elif isinstance(value, ours) and not isinstance(value, bool):
        yield "massgen-ls"


@cache
def _alone(group: str) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of a group that only MassGen knows, and those that only we know."""
    tables: dict[str, tuple[Sequence[Table], Iterable[type[BaseModel]]]] = {
        "top": ([TOP], [Configuration]),
        "orchestrator": ([ORCHESTRATOR], [Orchestrator]),
        "agent": ([AGENT], [Agent]),
        "backend": ([SERVICE, *BACKEND.of.values()], BACKENDS.values()),
    }
    theirs = frozenset(key for table in tables[group][0] for key in table.rows)
    ours = frozenset(key for model in tables[group][1] for key in model.model_fields)
    return theirs - ours, ours - theirs


def _mapping(given: object) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}
