"""One key of MassGen's in our words, as a change of the text."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, cast

from massgen_ls.config.assist.fixes import Fix, removed
from massgen_ls.config.assist.foreign import rule_at
from massgen_ls.config.document import Document, language, leaves, part
from massgen_ls.config.lines import Lines
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.mapping import convert
from massgen_ls.config.massgen.rules import Wrong
from massgen_ls.config.massgen.writing import dumped, in_line
from massgen_ls.config.problems import Where, shown_path

Targets = dict[Where, Any]


def migrated(text: str, file: PurePath, document: Document, where: Where) -> Fix | None:
    """Puts what MassGen says with a key where we say it; None where that is not wholly the same.

    Args:
        text: The whole.
        file: Its path, for the language; YAML or JSON.
        document: What was read of it.
        where: A value of MassGen's; in a list or text the key that it belongs to counts.
    """
    while where and isinstance(where[-1], int):
        where = where[:-1]
    if document.problems or where not in document.keys or language(file.name) == "toml":
        return None
    targets = _targets(document.body, where)
    if not targets or (len(targets) == 1 and where in targets):
        return None
    taken = removed(text, file, document, where)
    if taken is None:
        return None
    after = text[: taken.start] + text[taken.end :]
    left: Any = part(after, file).body
    wanted: Any = copy.deepcopy(left)
    for target, value in _with_mode(document.body, wanted, targets).items():
        known = _get(wanted, target)
        if known is not None and not (isinstance(known, list) and isinstance(value, list)):
            return None  # something else is said there already
        if isinstance(known, list):
            there = cast("list[Any]", known)
            value = [*there, *(v for v in cast("list[Any]", value) if v not in there)]
        if not _set(wanted, target, value):
            return None
        after = next(_put(after, file, target, value, wanted), "")
        if not after:
            return None
    start, end, new = _difference(text, after)
    goal = ", ".join(f"'{shown_path(target)}'" for target in targets)
    return Fix(f"Migrate MassGen's '{where[-1]}' to {goal}", start, end, new)


# ── what it means ───────────────────────────────────────────────────────────────────────────────


def _targets(body: Any, where: Where) -> Targets:
    """Where it goes, and as what; nothing unless all of it goes somewhere."""
    value = _get(body, where)
    rule = rule_at(body, where)
    if isinstance(rule, Wrong) and rule.becomes:
        agent = where[:-1] if rule.becomes.startswith("@") else ()
        return {(*agent, *rule.becomes.lstrip("@").split(".")): value}
    bare = _bare(body)
    before, _ = convert(Document(bare))
    alone = copy.deepcopy(bare)
    if not _set(alone, where, value):
        return {}
    ours, report = convert(Document(alone))
    mapped = {problem.where for problem in report.mapped}
    if any(leaf not in mapped for leaf, _ in leaves(value, where)):
        return {}
    known = dict(_settings(before.body))
    return {w: v for w, v in _settings(ours.body) if w not in known or known[w] != v}


def _with_mode(body: Any, left: Any, targets: Targets) -> Targets:
    """The same, and what was said by being a file of MassGen's."""
    mode: Where = ("orchestrator", "mode")
    changed = copy.deepcopy(left)
    for target, value in targets.items():
        _set(changed, target, value)
    becomes_ours = kind_of(body) == "massgen" and kind_of(changed) != "massgen"
    several = len(_bare(body).get("agents", ())) > 1
    if becomes_ours and several and _get(changed, mode) is None:
        return {**targets, mode: "consensus"}
    return targets


def _bare(body: Any) -> dict[str, Any]:
    """The agents with nothing but their names and kinds."""

    def bare(agent: Any) -> Any:
        kind = _get(agent, ("backend", "type"))
        return {"id": _get(agent, ("id",)), "backend": {"type": kind} if kind else {}}

    found: dict[str, Any] = {}
    listed = _get(body, ("agents",))
    if isinstance(listed, list):
        found["agents"] = [bare(agent) for agent in cast("list[Any]", listed)]
    if _get(body, ("agent",)) is not None:
        found["agent"] = bare(_get(body, ("agent",)))
    return found


def _settings(body: Any, where: Where = ()) -> Iterator[tuple[Where, Any]]:
    """Every value; a list of plain things is one."""
    if isinstance(body, dict) and body:
        for key, value in cast("dict[str, Any]", body).items():
            yield from _settings(value, (*where, key))
    elif isinstance(body, list) and any(isinstance(x, dict) for x in cast("list[Any]", body)):
        for index, value in enumerate(cast("list[Any]", body)):
            yield from _settings(value, (*where, index))
    else:
        yield where, body


def _get(body: Any, where: Where) -> Any:
    for step in where:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError):
            return None
    return body


def _set(body: Any, where: Where, value: Any) -> bool:
    """Puts a value into mappings, which are made; False: something else is in the way."""
    for step in where[:-1]:
        if isinstance(body, dict):
            body = cast("dict[Any, Any]", body).setdefault(step, {})
        elif isinstance(body, list) and isinstance(step, int) and step < len(cast("Any", body)):
            body = cast("list[Any]", body)[step]
        else:
            return False
    if not isinstance(body, dict):
        return False
    body[where[-1]] = value
    return True


# ── the text ────────────────────────────────────────────────────────────────────────────────────


def _put(text: str, file: PurePath, target: Where, value: Any, wanted: Any) -> Iterator[str]:
    """The text with a value more, in ways that were tried."""
    document = part(text, file)
    json_text = language(file.name) == "json"
    lines = Lines(text)
    if _get(document.body, target) is not None:
        span = document.values[target]
        start, end = lines.offset(*span[:2]), lines.offset(*span[2:])
        new = json.dumps(value, ensure_ascii=False) if json_text else in_line(value)
        ways = [text[:start] + new + text[end:]]
    else:
        depth = next(n for n in range(len(target), -1, -1) if _holds(document, target[:n]))
        key = cast("str", target[depth])
        for step in reversed(target[depth + 1 :]):
            value = {step: value}
        ways = list(_added(text, document, target[:depth], key, value, json_text=json_text))
    for way in ways:
        read = part(way, file)
        if not read.problems and _without_nothing(read.body) == _without_nothing(wanted):
            yield way


def _added(
    text: str, document: Document, where: Where, key: str, value: Any, *, json_text: bool
) -> Iterator[str]:
    lines = Lines(text)
    span = document.values[where]
    start, end = lines.offset(*span[:2]), lines.offset(*span[2:])
    if text[start : start + 1] == "{":
        last = len(text[:end].rstrip("}").rstrip())
        comma = "" if text[last - 1 : last] in {"{", ","} else ", "
        if json_text:
            new = f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
        else:
            new = in_line({key: value})[1:-1]
        for close in range(end - 1, start, -1):
            if text[close] == "}":
                at = len(text[:close].rstrip())
                yield text[:at] + comma + new + text[at:]
                return
        return
    first = next((w for w in document.keys if w[:-1] == where), None)
    indent = " " * (document.keys[first].column - 1) if first is not None else ""
    new = "\n".join(dumped({key: value}, indent))
    line_end = text.find("\n", end)
    stop = len(text) if line_end < 0 else line_end
    yield f"{text[:stop]}\n{new}{text[stop:]}"
    yield f"{text[:end]}{new}\n{text[end:]}"


def _holds(document: Document, where: Where) -> bool:
    return isinstance(_get(document.body, where), dict) and where in document.values


def _without_nothing(body: Any) -> Any:
    return body or {}


def _difference(old: str, new: str) -> tuple[int, int, str]:
    """The smallest stretch of the old text that has to be replaced."""
    most = min(len(old), len(new))
    start = next((i for i in range(most) if old[i] != new[i]), most)
    back = next((i for i in range(most - start) if old[-1 - i] != new[-1 - i]), most - start)
    return start, len(old) - back, new[start : len(new) - back]
