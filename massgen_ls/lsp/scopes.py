"""What a run is about and where it works, as editors name it."""

from __future__ import annotations

import os

from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.task import Diagnostic, LineRange, Scope
from massgen_ls.core.text import LineIndex, Range
from massgen_ls.lsp import uris
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.files.documents import Documents
from massgen_ls.lsp.protocol import ScopeParams


def scope_of(documents: Documents, scope: ScopeParams, path: RelPath) -> Scope:
    """A scope in terms of a folder's file, cut to what its document has."""
    document = documents.get(scope.uri or "")
    last = len(LineIndex(document.text).starts) if document else None
    lines = _lines(scope.range, last) if scope.range else None
    return Scope(
        path,
        lines,
        tuple(
            Diagnostic(path, _lines(d.range, last).first, d.message, d.source, d.code)
            for d in scope.diagnostics
        ),
    )


def followed(path: str) -> str:
    """A document that was opened through a link is the file behind it."""
    return os.path.realpath(path) if os.path.islink(path) else path


def named_folder(name: str) -> str:
    """The folder that a path or a URI names.

    Raises:
        ParamsError: It names none.
        MassgenError: There is none.
    """
    path = uris.to_path(name) if name.lower().startswith("file:") else name
    if path is None or not os.path.isabs(path):
        raise ParamsError(f"{name!r} is no folder", "Give an absolute path or a file: URI.")
    if not os.path.isdir(path):
        raise MassgenError(f"There is no folder {path}", "Give one that exists.")
    return path


def _lines(where: Range, last: int | None) -> LineRange:
    """Whole lines as people count them, cut to the document's ``last`` line.

    A range that ends before a line's first character does not reach into that line.
    """
    end = where.end.line
    if where.end.character == 0 and end > where.start.line:
        end -= 1
    first = where.start.line + 1
    if last is not None:
        first, end = min(first, last), min(end, last - 1)
    return LineRange(first, max(first, end + 1))
