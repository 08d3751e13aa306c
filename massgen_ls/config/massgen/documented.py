"""The tables as Markdown, for ``docs/massgen.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.massgen.backend import CLAUDE_CODE, CODEX, GEMINI_CLI, SERVICE
from massgen_ls.config.massgen.orchestrator import COORDINATION, ORCHESTRATOR, TIMEOUTS
from massgen_ls.config.massgen.rules import (
    ByType,
    Choice,
    Ignored,
    Items,
    Reader,
    Refused,
    Rule,
    Sets,
    Table,
    To,
    Wrong,
)
from massgen_ls.config.massgen.tables import AGENT, TOP

_GROUPS: tuple[tuple[str, Table, Table | None], ...] = (
    ("The whole file", TOP, None),
    ("`orchestrator`", ORCHESTRATOR, None),
    ("`orchestrator.coordination`", COORDINATION, None),
    ("`timeout_settings`", TIMEOUTS, None),
    ("`agents[]`", AGENT, None),
    ("`agents[].backend`", SERVICE, None),
    ("`agents[].backend` of `claude_code`, beside those", CLAUDE_CODE, SERVICE),
    ("`agents[].backend` of `codex`, beside those", CODEX, SERVICE),
    ("`agents[].backend` of `gemini_cli`, beside those", GEMINI_CLI, SERVICE),
)
_EVERY = frozenset({"model", "base_url", "timeout", "max_turns"})
_ELSEWHERE = frozenset({"agents", "agent", "orchestrator", "coordination", "timeout_settings"})


def markdown() -> str:
    """Every key of MassGen that is known, with what becomes of it."""
    lines: list[str] = []
    for title, table, but in _GROUPS:
        lines += [f"### {title}", "", "| key | |", "|---|---|"]
        rows = _rows(table, but.rows if but else {})
        together: dict[str, list[str]] = {}
        for key, told in rows:
            together.setdefault(told, []).append(f"`{key}`")
        lines += [f"| {', '.join(keys)} | {told} |" for told, keys in together.items()]
        lines.append("")
    return "\n".join(lines)


def _rows(table: Table, but: Mapping[str, Rule], above: str = "") -> Iterator[tuple[str, str]]:
    for key, rule in (*table.rows.items(), *(() if but else table.families)):
        if but.get(key) == rule or (not above and key in _ELSEWHERE):
            continue
        inner = rule.rule if isinstance(rule, Items) else rule
        if isinstance(inner, ByType):
            continue
        if isinstance(inner, Table):
            yield from _rows(inner, {}, f"{above}{key}.")
        elif isinstance(inner, To) and inner.target == f"@backend.{key}" and key not in _EVERY:
            known = any(key in model.model_fields for model in BACKENDS.values())
            same = "→ the same key, where our backend of that type has it; not used otherwise"
            yield f"{above}{key}", same if known else told(Ignored(inner.unless))
        else:
            yield f"{above}{key}", told(inner)
    if table.otherwise is not None and not but:
        yield f"{above}…", told(table.otherwise)


def told(rule: Rule) -> str:
    """What becomes of a key, in a few words."""
    match rule:
        case Ignored(reason, instead):
            return _sentence("not used", reason, instead)
        case Refused(reason, instead):
            return _sentence("**refused**", reason, instead)
        case Wrong(reason, instead, _):
            return _sentence("an error", reason.removeprefix("is "), instead)
        case To(target):
            return f"→ `{_target(target)}`"
        case Sets(target, value, about):
            listed = cast("list[str]", value) if isinstance(value, list) else [str(value)]
            shown = " ".join(listed)
            return f"→ `{_target(target)}: {shown}`: {about}"
        case Choice(of, otherwise):
            said: dict[str, list[str]] = {}
            for word, each in of.items():
                name = str(word).lower() if isinstance(word, bool) else str(word)
                # A word that is handed on is said once for all of them.
                text = told(each).replace(name, "…") if isinstance(each, Sets) else told(each)
                said.setdefault(text, []).append(f"`{name}`")
            if len(said) == 1 and otherwise is None:
                return next(iter(said))
            parts = [f"{', '.join(words)}: {each}" for each, words in said.items()]
            if otherwise is not None:
                parts.append(f"others: {told(otherwise)}")
            return "; ".join(parts)
        case Reader(_, about):
            return f"→ {about}" if about.startswith("`") else about
        case Items(each):
            return told(each)
        case Table() | ByType():
            return "see below"


def _target(target: str) -> str:
    return f"agents[].{target[1:]}" if target[0] in "@*" else target


def _sentence(word: str, reason: str, instead: str) -> str:
    return f"{word}: {reason}" + (f". {instead}" if instead else "")
