"""Everything that is wrong in a file as it is being typed, or worth knowing about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from massgen_ls.config.assist.recognise import named
from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.checkup import problems_of
from massgen_ls.config.document import Document, part
from massgen_ls.config.files import with_variables
from massgen_ls.config.layers import agents_of
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.loading import OURS
from massgen_ls.config.massgen.mapping import convert
from massgen_ls.config.massgen.report import Kind
from massgen_ls.config.massgen.tables import V1
from massgen_ls.config.problems import Problem
from massgen_ls.config.sources import Beside

Tag = Literal["", "unnecessary", "deprecated"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to be shown in an editor."""

    problem: Problem
    code: str
    """Stable, for programs: ``syntax``, ``unknown-key``, ``massgen-ignored`` …"""
    tag: Tag = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All of them."""

    kind: Kind | None
    """Whose configuration it is; None: nobody's, and then there is nothing to say."""
    document: Document
    """What was read."""
    listed: tuple[Finding, ...] = ()


def find(file: Path, text: str, beside: Beside) -> Findings:
    """Looks at a file in its place. Never raises.

    Args:
        file: Absolute.
        text: As the editor has it.
        beside: What counts beside it; its ``read`` has this text, too.
    """
    document = part(text, file, beside.scan)
    if not named(file) and not _known_agent(document.body):
        return Findings(None, document)
    if document.problems:
        found = tuple(Finding(p, p.code or "syntax") for p in document.problems)
        return Findings("massgen-ls", document, found)
    if is_massgen(document):
        return Findings("massgen", document, _massgen(document, beside))
    problems = problems_of(file, beside)
    found = tuple(Finding(p, p.code or "invalid") for p in problems)
    return Findings("massgen-ls", document, found)


def is_massgen(document: Document) -> bool:
    """Whether it is a file of MassGen's, and means something else or nothing as one of ours."""
    body: object = document.body
    if not isinstance(body, dict) or not OURS.isdisjoint(cast("dict[str, object]", body)):
        return False
    return kind_of(body) == "massgen"


def _known_agent(body: object) -> bool:
    for agent in agents_of(body):
        backend = agent.get("backend")
        if isinstance(backend, dict) and cast("dict[str, Any]", backend).get("type") in BACKENDS:
            return True
    return False


def _massgen(document: Document, beside: Beside) -> tuple[Finding, ...]:
    ours, report = convert(document)
    report = with_variables(ours, report, beside.env)
    found = [
        *(Finding(p, "massgen-error", "deprecated" if V1 in p.message else "")
          for p in report.errors),
        *(Finding(p, "massgen-refused") for p in report.refused),
        *(Finding(replace(p, message=f"not used: {p.message}"), "massgen-ignored", "unnecessary")
          for p in report.ignored),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda f: (f.problem.line, f.problem.column)))
