"""A MassGen document → our document and a report, by the tables."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from pydantic import ValidationError

from massgen_ls.config.document import Document, Where, leaves
from massgen_ls.config.explain import explain
from massgen_ls.config.layers import Layer, merge
from massgen_ls.config.massgen.backend import MODELS_TO_NAME, SERVICE
from massgen_ls.config.massgen.outcome import Outcome
from massgen_ls.config.massgen.readers import nearest
from massgen_ls.config.massgen.report import Fate, Report
from massgen_ls.config.massgen.rules import (
    UNREAD,
    ByType,
    Choice,
    Entry,
    Ignored,
    Items,
    Reader,
    Refused,
    Rule,
    Scene,
    Sets,
    Shape,
    Table,
    To,
    Wrong,
)
from massgen_ls.config.massgen.tables import TOP
from massgen_ls.config.schema import Configuration

_MOST_NEAR = 200
"""Errors until which it is looked for what was perhaps meant."""


def convert(source: Document) -> tuple[Document, Report]:
    """What a MassGen document means here. Pure; never raises.

    Args:
        source: A parsed document of kind ``massgen`` (see `kind_of`).

    Returns:
        Our document, whose values stand where they stood in the source, and the report. With errors
        or refusals in the report the document is what could be understood.
    """
    walk = _Walk(source)
    body: object = source.body
    if isinstance(body, dict):
        walk.go(TOP, (), cast("Any", body), ())
        walk.whole()
        walk.valid()
    else:
        walk.outcome.wrong((), "a configuration is a mapping with `agents`", "Write agents: […]")
    return walk.outcome.document(), walk.outcome.report("massgen")


class _Walk:
    def __init__(self, source: Document) -> None:
        self._body = source.body
        agents = _agents(self._body)
        kinds = {where: _get(_get(agent, "backend"), "type") for where, agent in agents.items()}
        self._kinds = {w: kind if isinstance(kind, str) else "" for w, kind in kinds.items()}
        self._names = _names(agents)
        self.outcome = Outcome(source, self._kinds)

    def go(self, rule: Rule, where: Where, value: Any, agent: Where) -> None:
        """Applies a rule to a value."""
        if where in self._kinds:
            agent = where
        if value is None and not _wants_even_nothing(rule, where):
            rule = Ignored("it is empty, which is as if it were not there")
        match rule:
            case Ignored(reason, instead):
                self._leaves("ignored", where, value, reason, instead)
            case Refused(reason, instead):
                self._leaves("refused", where, value, reason, instead)
            case Wrong(reason, instead, _):
                self._leaves("errors", where, value, f"`{where[-1]}` {reason}", instead)
            case To(target, shape, unless):
                self._to(where, value, agent, target, shape, unless)
            case Sets(target, fixed, about):
                entry = Entry("mapped", where, about, "", target, fixed)
                self.outcome.add(entry, agent, "this version has no such setting")
            case Choice():
                self._choice(rule, where, value, agent)
            case ByType(of, otherwise):
                self.go(of.get(self._kinds.get(agent, ""), otherwise), where, value, agent)
            case Table():
                self._table(rule, where, value, agent)
            case Items(each):
                self._items(each, where, value, agent)
            case Reader():
                scene = Scene(self._kinds.get(agent, ""), self._names)
                for entry in rule.read(value, where, scene):
                    self.outcome.add(entry, agent, rule.unless)

    def whole(self) -> None:
        """What can only be said of the whole document."""
        given = [key for key in ("agents", "agent") if key in self._body]
        if len(given) == 2:
            both = "give `agents` or `agent`, not both"
            self.outcome.promote({("agent",): (both, "Put all agents under `agents`")})
        elif not given:
            there = ("agents",) if self._body else ()
            self.outcome.wrong(there, "there are no agents", "List them under `agents`")
        for where, agent in _agents(self._body).items():
            if isinstance(agent, dict):
                self._needs(where, cast("dict[str, Any]", agent))
        if len(self._kinds) > 1 and not self.outcome.errors:
            self._mode()

    def valid(self) -> None:
        """Asks our schema about what came out: what it does not take is an error in the source."""
        if self.outcome.errors:
            return
        merged = merge([Layer("project", self.outcome.document(), "", "project")])
        try:
            Configuration.model_validate(merged.body)
        except ValidationError as errors:
            wrong: dict[Where, tuple[str, str]] = {}
            for error in errors.errors(include_url=False):
                if "${" not in str(error.get("input")):  # it is not replaced yet
                    found = explain(merged, error, Configuration)
                    came = self.outcome.came_from(found.where)
                    wrong[came] = (found.message, found.suggestion)
            self.outcome.promote(wrong)

    def _needs(self, where: Where, agent: dict[str, Any]) -> None:
        old = {"agent_id": "id", "agent_type": "backend", "model_config": "backend"}
        told = {new for key, new in old.items() if key in agent}
        for key, example in (("id", 'id: "fixer"'), ("backend", "backend: {type: …, model: …}")):
            if key not in agent and key not in told:
                self.outcome.wrong((*where, key), f"the key {key!r} is missing", f"Write {example}")
        backend = agent.get("backend")
        if not isinstance(backend, dict):
            return
        kind = self._kinds[where]
        if "type" not in backend:
            there = (*where, "backend", "type")
            self.outcome.wrong(there, "the key 'type' is missing", "For example type: claude_code")
        elif kind in MODELS_TO_NAME and "model" not in backend:
            there = (*where, "backend", "model")
            advice = f"{kind} has no model of its own: write model: …"
            self.outcome.wrong(there, "the key 'model' is missing", advice)

    def _mode(self) -> None:
        about = "MassGen's agents look at each other's answers and vote: `mode: consensus`"
        where = ("orchestrator", "mode")
        self.outcome.add(Entry("mapped", where, about, "", "orchestrator.mode", "consensus"), ())

    def _leaves(self, fate: Fate, where: Where, value: Any, about: str, advice: str) -> None:
        for leaf, _ in leaves(value, where):
            self.outcome.note(fate, leaf, about, advice)

    def _to(
        self, where: Where, value: Any, agent: Where, target: str, shape: Shape, unless: str
    ) -> None:
        ours, wrong = _shaped(value, shape)
        if wrong:
            self._leaves("errors", where, value, f"should be {wrong}", "")
            return
        for leaf, _ in leaves(value, where):
            self.outcome.add(Entry("mapped", leaf, "", "", target, ours), agent, unless)

    def _choice(self, rule: Choice, where: Where, value: Any, agent: Where) -> None:
        words = [word for word in rule.of if type(word) is type(value) and word == value]
        if words:
            self.go(rule.of[words[0]], where, value, agent)
        elif rule.otherwise is not None:
            self.go(rule.otherwise, where, value, agent)
        else:
            known = [str(word).lower() if isinstance(word, bool) else str(word) for word in rule.of]
            near = nearest(value, known) if isinstance(value, str) else None
            advice = f"Did you mean {near!r}?" if near else f"Write one of: {', '.join(known)}"
            for leaf, _ in leaves(value, where):
                self.outcome.wrong(leaf, "MassGen knows no such value here", advice, near)

    def _table(self, table: Table, where: Where, value: Any, agent: Where) -> None:
        if not isinstance(value, dict):
            if value is None and where and where[0] not in {"agents", "agent"}:
                self.outcome.note("ignored", where, "it is empty")
            else:
                self._leaves(
                    "errors", where, value, "should be a mapping", "Write key: value lines"
                )
            return
        given = cast("dict[str, Any]", value)
        if not given and where:
            self.outcome.note("ignored", where, "it is empty")
        for key, below in given.items():
            self._key(table, key, (*where, key), below, agent)

    def _key(self, table: Table, key: str, where: Where, below: Any, agent: Where) -> None:
        family = (rule for glob, rule in table.families if fnmatchcase(key, glob))
        rule = table.rows.get(key) or next(family, None)
        if rule is not None:
            self.go(rule, where, below, agent)
            return
        known = list(table.rows)
        near = nearest(key, known) if self.outcome.errors < _MOST_NEAR else None
        many = self.outcome.errors >= _MOST_NEAR
        place = _elsewhere(key, where) if near is None and not many else None
        otherwise = None if place and table.otherwise is UNREAD else table.otherwise
        if near is None and otherwise is not None:
            self.go(otherwise, where, below, agent)
            return
        above = next((part for part in reversed(where[:-1]) if isinstance(part, str)), "")
        here = f" under `{above}`" if above else ""
        advice = f"Did you mean {near!r}?" if near else "Take it out"
        if place:
            advice = f"It belongs under `{place}`"
        elif near is None and len(known) < 12:
            advice = f"Known are: {', '.join(known)}"
        for leaf, _ in leaves(below, where):
            self.outcome.wrong(leaf, f"MassGen has no key {key[:60]!r}{here}", advice, near)

    def _items(self, each: Rule, where: Where, value: Any, agent: Where) -> None:
        if not isinstance(value, list):
            self._leaves(
                "errors", where, value, "should be a list", "Write - in front of each item"
            )
            return
        items = cast("list[Any]", value)
        if not items and where == ("agents",):
            self.outcome.wrong(where, "there are no agents", "List at least one")
        elif not items:
            self.outcome.note("ignored", where, "the list is empty")
        for i, item in enumerate(items):
            self.go(each, (*where, i), item, agent)


def _wants_even_nothing(rule: Rule, where: Where) -> bool:
    if isinstance(rule, Reader):
        return rule.required
    return isinstance(rule, Wrong | Refused | Table | ByType) or where == ("agents",)


def _agents(body: Any) -> dict[Where, Any]:
    listed = _get(body, "agents")
    found: dict[Where, Any] = {}
    if isinstance(listed, list):
        found = {("agents", i): agent for i, agent in enumerate(cast("list[Any]", listed))}
    if isinstance(body, dict) and "agent" in body:
        found["agent",] = _get(body, "agent")
    return found


def _names(agents: Mapping[Where, Any]) -> dict[Where, str | None]:
    """Our names for agents by where their id stands."""
    names: dict[Where, str | None] = {}
    seen: set[str] = set()
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for where, agent in agents.items():
        given = _get(agent, "id")
        if not isinstance(given, str):
            continue
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", given).lstrip("._-")[:60].rstrip("-") or "agent"
        name, n = plain, counts.get(plain, 1)
        while name in taken:
            n += 1
            name = f"{plain}-{n}"
        counts[plain] = n
        names[*where, "id"] = None if given in seen else name
        seen.add(given)
        taken.add(name)
    return names


def _get(holder: Any, key: str) -> Any:
    return cast("dict[str, Any]", holder).get(key) if isinstance(holder, dict) else None


def _elsewhere(key: str, where: Where) -> str | None:
    """The group that has such a key."""
    if where[0] in {"agents", "agent"}:
        return "backend" if key in SERVICE.rows else None
    groups = (("", TOP), *((name, rule) for name, rule in TOP.rows.items()))
    for name, rule in groups:
        if name and isinstance(rule, Table):
            if key in rule.rows:
                return name
            for below, inner in rule.rows.items():
                if isinstance(inner, Table) and key in inner.rows:
                    return f"{name}.{below}"
    return None


def _shaped(value: Any, shape: Shape) -> tuple[object, str]:
    """The value as we want it; and what it should be, when it is not."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    match shape:
        case "text":
            return value, "" if isinstance(value, str) else "a text"
        case "seconds":
            return value, "" if number and value > 0 else "a number of seconds above 0"
        case "count":
            good = isinstance(value, int) and not isinstance(value, bool) and value > 0
            return value, "" if good else "a whole number from 1"
        case "any":
            return value, ""
