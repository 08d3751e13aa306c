"""One configuration file looked at by itself: whose it is, and what becomes of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from massgen_ls.config.backends import NOT_BUILT
from massgen_ls.config.checkup import problems_of
from massgen_ls.config.document import Document, part
from massgen_ls.config.layers import Layer, agents_of, merge
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.mapping import convert
from massgen_ls.config.massgen.report import Report
from massgen_ls.config.problems import Problem
from massgen_ls.config.sources import Beside, gather
from massgen_ls.config.validation import examine

_TOO_BIG = 4 * 1024 * 1024


def checked(path: Path, environ: Mapping[str, str] | None = None) -> tuple[Document, Report]:
    """Reads and checks a file. Never raises.

    Args:
        path: The file; of a ``pyproject.toml`` the table ``[tool.massgen]`` counts.
        environ: For ``${NAME}``; this process' variables by default.

    Returns:
        What it means in our words (nothing, when it cannot be read), and the report. Of a file of
        ours the report has no ``mapped``: everything in it is used; its warnings are ``ignored``.
    """
    environ = os.environ if environ is None else environ
    text = _text(path)
    if isinstance(text, Problem):
        return Document({}), Report("massgen-ls", errors=(text,))
    document = part(text, path)
    if document.problems:
        return document, Report(kind_of(document.body), errors=document.problems)
    if kind_of(document.body) == "massgen":
        ours, report = convert(document)
        return ours, with_variables(ours, report, environ)
    return document, _ours(path, environ)


def _ours(path: Path, environ: Mapping[str, str]) -> Report:
    """A file of ours, in its place, with what it includes."""
    path = path.absolute()
    beside = Beside(environ=environ)
    every = [replace(p, file="", line=max(1, p.line)) for p in problems_of(path, beside)]
    included = [
        replace(p, message=f"in {p.file}: {p.message}", where=(), line=1, column=1)
        for p in gather(path.parent, path, beside).problems
        if p.file != str(path) and p.file.startswith("/") and p.severity == "error"
    ]
    return Report(
        "massgen-ls",
        errors=(*(p for p in every if p.severity == "error"), *included),
        ignored=tuple(p for p in every if p.severity == "warning"),
    )


def missing(document: Document) -> list[str]:
    """The parts of this version that a team would need and that are not there.

    Args:
        document: What `checked` returned.
    """
    kinds = {str(agent.get("backend", {}).get("type")) for agent in agents_of(document.body)
             if isinstance(agent.get("backend"), dict)}  # fmt: skip
    return [part for part, known in NOT_BUILT.items() if not kinds.isdisjoint(known)]


def with_variables(ours: Document, report: Report, environ: Mapping[str, str]) -> Report:
    """The same, with what only shows when variables are replaced."""
    if report.errors:
        return report
    merged = merge([Layer("project", ours, "", "project")])
    _, _, problems = examine(merged, environ, "")
    wrong = {(p.line, p.column): p for p in problems if p.severity == "error"}
    errors = [
        replace(p, message=wrong[at].message, suggestion=wrong[at].suggestion, severity="error")
        for p in report.mapped
        if (at := (p.line, p.column)) in wrong
    ]
    kept = tuple(p for p in report.mapped if (p.line, p.column) not in wrong)
    left = [p for at, p in wrong.items() if at not in {(e.line, e.column) for e in errors}]
    return replace(report, mapped=kept, errors=(*errors, *left))


def _text(path: Path) -> str | Problem:
    try:
        if path.is_dir():
            return Problem("this is a folder", suggestion="Name a file in it")
        if not path.exists():
            return Problem("there is no such file", suggestion="Check the path")
        if not path.is_file():
            return Problem("this is no ordinary file", suggestion="Name a file with text")
        if path.stat().st_size > _TOO_BIG:
            return Problem(
                f"the file is over {_TOO_BIG >> 20} MiB, too big for a configuration",
                suggestion="Check the path",
            )
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        return Problem("the file is not UTF-8 text", suggestion="Save it as UTF-8")
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        return Problem(f"the file cannot be read: {what}", suggestion="Check the path")
