"""What would make a finding go away, as a change of the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, cast

from massgen_ls.config.assist.findings import Finding
from massgen_ls.config.document import Document, Span, part
from massgen_ls.config.lines import Lines
from massgen_ls.config.problems import Where

_VARIABLES = {
    "claude": "ANTHROPIC_API_KEY",
    "claude_code": "ANTHROPIC_API_KEY",
    "codex": "OPENAI_API_KEY",
    "gemini_cli": "GEMINI_API_KEY",
}
"""Where others than ``<TYPE>_API_KEY`` are usual."""


@dataclass(frozen=True, slots=True)
class Fix:
    """Replaces ``text[start:end]`` by ``new``."""

    title: str
    start: int
    end: int
    new: str
    preferred: bool = False


def fixes(text: str, file: PurePath, document: Document, finding: Finding) -> Iterator[Fix]:
    """Every change that would make a finding go away. Never raises.

    Args:
        text: The whole, as it was when it was found.
        file: Its path, for the language.
        document: What was read of it.
        finding: What is wrong.
    """
    problem = finding.problem
    where = problem.where
    if problem.meant is not None and (span := _span(document, problem.where, key=problem.on_key)):
        start, end = _offsets(text, span)
        quote = text[start] if text[start : start + 1] in {'"', "'"} else ""
        new = f"{quote}{problem.meant}{quote}"
        yield Fix(f"Did you mean '{problem.meant}'?", start, end, new, preferred=True)
    if finding.code == "secret" and where and where[-1] == "api_key":
        value = _span(document, problem.where, key=False)
        if value is not None:
            name = _variable(document, problem.where)
            new = f'"${{{name}}}"' if file.suffix in {".json", ".toml"} else f"${{{name}}}"
            yield Fix(f"Name a variable instead: {new}", *_offsets(text, value), new)
    if finding.code in {"unknown-key", "massgen-ignored"} and where:
        without = removed(text, file, document, problem.where)
        if without is not None:
            yield without


def removed(text: str, file: PurePath, document: Document, where: Where) -> Fix | None:
    """Takes a key out, with its value; None where that would change anything else."""
    title = f"Remove '{where[-1]}'"
    while len(where) > 1 and isinstance(where[-2], str) and _alone(document.body, where):
        where = where[:-1]  # a mapping with nothing in it would be something else
    key, value = document.keys.get(where), document.values.get(where)
    if (
        document.problems
        or key is None
        or value is None
        or not isinstance(where[len(where) - 1], str)
    ):
        return None
    start, end = _offsets(text, Span(*key[:2], *value[2:]))
    wanted = _without(document.body, where)
    line = text.rfind("\n", 0, start) + 1
    follows = text.find("\n", end)
    after = len(text) if follows < 0 else follows + 1
    comma = end + len(text[end:]) - len(text[end:].lstrip())
    before = len(text[:start].rstrip())
    ways = [(line, after)] if not text[line:start].strip() else []
    if text[comma : comma + 1] == ",":
        gap = len(text[comma + 1 :]) - len(text[comma + 1 :].lstrip())
        ways.append((start, comma + 1 + gap))
    if text[before - 1 : before] == ",":
        ways.append((before - 1, end))
    ways.append((start, end))
    for first, last in ways:
        left = part(text[:first] + text[last:], file)
        if not left.problems and left.body == wanted:
            return Fix(title, first, last, "")
    return None


def converted(text: str, file: PurePath, document: Document) -> Fix | None:
    """A file of MassGen's as one of ours; None where that cannot be written."""
    from massgen_ls.config.massgen.mapping import convert
    from massgen_ls.config.massgen.writing import write

    if file.suffix not in {".yaml", ".yml"}:
        return None
    if document.problems:
        return None
    ours, report = convert(document)
    if report.errors:
        return None
    return Fix("Convert this MassGen file to massgen-ls", 0, len(text),
               write(ours, report, file.name))  # fmt: skip


def _alone(body: Any, where: Where) -> bool:
    """Whether nothing else is in its mapping."""
    for step in where[:-1]:
        body = body[step]
    return len(body) == 1


def _without(body: Any, where: Where) -> Any:
    head, rest = where[0], where[1:]
    if isinstance(body, dict):
        given = cast("dict[object, object]", body)
        kept = {k: _without(v, rest) if k == head else v for k, v in given.items() if rest}
        return kept if rest else {k: v for k, v in given.items() if k != head}
    if not isinstance(body, list) or not rest:
        return cast("object", body)
    listed = cast("list[object]", body)
    return [_without(item, rest) if i == head else item for i, item in enumerate(listed)]


def _variable(document: Document, where: Where) -> str:
    kind = document.body
    for step in (*where[:-1], "type"):
        try:
            kind = kind[step]
        except (KeyError, IndexError, TypeError):
            kind = ""
            break
    name = kind if isinstance(kind, str) and kind.replace("_", "a").isalnum() else "my"
    return _VARIABLES.get(name, f"{name.upper()}_API_KEY")


def _span(document: Document, where: Where, *, key: bool) -> Span | None:
    return document.keys.get(where) if key else document.values.get(where)


def _offsets(text: str, span: Span) -> tuple[int, int]:
    lines = Lines(text)
    return lines.offset(*span[:2]), lines.offset(*span[2:])
