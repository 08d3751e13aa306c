"""Whose configuration a document is: never both, never neither."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cache
from typing import Any, cast

from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.massgen.backend import BACKEND, SERVICE
from massgen_ls.config.massgen.orchestrator import ORCHESTRATOR
from massgen_ls.config.massgen.report import Kind
from massgen_ls.config.massgen.rules import ByType, Table
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
    marks = _marks(body)
    return "massgen" if "massgen-ls" not in marks and "massgen" in marks else "massgen-ls"


def _marks(body: Any) -> set[Kind]:
    found: set[Kind] = set()
    top = _mapping(body)
    found |= _compare(set(top), _keys(TOP), set(Configuration.model_fields))
    orchestrator = _mapping(top.get("orchestrator"))
    found |= _compare(set(orchestrator), _keys(ORCHESTRATOR), set(Orchestrator.model_fields))
    found |= _form(orchestrator, "timeout", massgen=dict, ours=(int, float))
    listed = top.get("agents")
    agents = [*(cast("list[Any]", listed) if isinstance(listed, list) else ()), top.get("agent")]
    theirs, ours = _keys(AGENT), set(Agent.model_fields)
    for agent in map(_mapping, agents):
        found |= _compare(set(agent), theirs, ours)
        backend = _mapping(agent.get("backend"))
        kind = backend.get("type")
        if isinstance(kind, str) and kind in _OURS:
            found.add("massgen-ls")
        found |= _compare(set(backend), _backend_keys(), _our_backend_keys())
        found |= _form(backend, "env", massgen=dict, ours=(list,))
    return found


def _compare(given: set[str], theirs: AbstractSet[str], ours: AbstractSet[str]) -> set[Kind]:
    found: set[Kind] = set()
    if given & (ours - theirs):
        found.add("massgen-ls")
    if given & (theirs - ours):
        found.add("massgen")
    return found


def _form(holder: dict[str, Any], key: str, *, massgen: type, ours: tuple[type, ...]) -> set[Kind]:
    value = holder.get(key)
    if isinstance(value, massgen):
        return {"massgen"}
    return {"massgen-ls"} if isinstance(value, ours) and not isinstance(value, bool) else set()


def _keys(table: Table) -> set[str]:
    return set(table.rows)


@cache
def _our_backend_keys() -> frozenset[str]:
    return frozenset(key for model in BACKENDS.values() for key in model.model_fields)


@cache
def _backend_keys() -> frozenset[str]:
    assert isinstance(BACKEND, ByType)
    return frozenset(_keys(SERVICE)).union(*(_keys(table) for table in BACKEND.of.values()))


def _mapping(given: object) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}
