"""What is known of a place in a file of MassGen's: keys and words, and what becomes of them."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any, cast

from massgen_ls.config.assist import known
from massgen_ls.config.assist.known import Key, Value
from massgen_ls.config.massgen.documented import told
from massgen_ls.config.massgen.readers import TYPES
from massgen_ls.config.massgen.rules import (
    ByType,
    Choice,
    Ignored,
    Items,
    Refused,
    Rule,
    Table,
    Wrong,
)
from massgen_ls.config.massgen.tables import TOP
from massgen_ls.config.problems import Where


def keys(body: Any, where: Where) -> dict[str, Key]:
    """The keys that MassGen has there; those that count here first."""
    rule = rule_at(body, where)
    if not isinstance(rule, Table):
        return {}
    rows = {name: row for name, row in rule.rows.items() if not isinstance(row, Wrong)}
    ordered = sorted(rows, key=lambda name: isinstance(rows[name], Ignored | Refused))
    return {name: Key(name, _fate(rows[name]), _about(rows[name])) for name in ordered}


def key(body: Any, where: Where) -> Key | None:
    """What is known of the key at the end of a way."""
    if not where or isinstance(where[-1], int):
        return None
    rule = rule_at(body, where)
    return None if rule is None else Key(str(where[-1]), f"MassGen, {_fate(rule)}", _about(rule))


def values(body: Any, where: Where) -> list[Value]:
    """The words that MassGen has for a place."""
    if where[-2:] == ("backend", "type"):
        about = known.types()
        return [Value(name, about.get(name, "")) for name in TYPES]
    rule = rule_at(body, where)
    if not isinstance(rule, Choice):
        return []
    found: list[Value] = []
    for word, each in rule.of.items():
        text = word if isinstance(word, str) else json.dumps(word)
        found.append(Value(text, told(each), isinstance(word, str)))
    return found


def rule_at(body: Any, where: Where) -> Rule | None:
    """What becomes of a value; None where nothing is known.

    Args:
        body: The file, perhaps its rough shape, for the types of backends.
        where: The way to the value.
    """
    rule: Rule = TOP
    value: Any = body
    for part in where:
        rule = _opened(rule, value)
        found: Rule | None = None
        if isinstance(rule, Table):
            family = (r for glob, r in rule.families if fnmatchcase(str(part), glob))
            found = rule.rows.get(str(part)) or next(family, rule.otherwise)
        elif isinstance(rule, Items) and isinstance(part, int):
            found = rule.rule
        if found is None:
            return None
        rule = found
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            value = None
    return _opened(rule, value)


def _opened(rule: Rule, value: Any) -> Rule:
    if not isinstance(rule, ByType):
        return rule
    kind = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else None
    return rule.of.get(kind, rule.otherwise) if isinstance(kind, str) else rule.otherwise


def _fate(rule: Rule) -> str:
    if isinstance(rule, Ignored):
        return "not used here"
    if isinstance(rule, Refused | Wrong):
        return "refused here"
    return "a group" if isinstance(rule, Table | Items) else "used here"


def _about(rule: Rule) -> str:
    return "" if isinstance(rule, Table | Items) else told(rule)
