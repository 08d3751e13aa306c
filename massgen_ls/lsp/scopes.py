"""What a run is about, where it works, and what is on the screen there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress

from pygls.exceptions import JsonRpcException

from massgen_ls.core.changes import RelPath, rel_path
from massgen_ls.core.errors import MassgenError, UnsafePathError
from massgen_ls.core.task import Diagnostic, LineRange, Scope
from massgen_ls.core.text import LineIndex, Range
from massgen_ls.lsp import uris
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.files.documents import Documents, buffer_of
from massgen_ls.lsp.protocol import ScopeParams
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.ports import Buffer, LiveFiles


def _scope(documents: Documents, scope: ScopeParams, path: RelPath) -> Scope:
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


async def place(
    server: MassgenServer, scope: ScopeParams, folder: str | None, *, asks: bool
) -> tuple[str, Scope]:
    """The folder of a run and what it is about: the named one, else where the document is open.

    Args:
        server: The editor's.
        scope: What the editor says of it.
        folder: Path or URI, where the editor names one.
        asks: Whether the user may be asked which of several folders is meant.

    Raises:
        ParamsError: None of it can be told.
        MassgenError: The user chose no folder.
    """
    named = named_folder(folder) if folder is not None else None
    if scope.uri is None:
        return named or await _one_of_many(server, asks=asks), Scope()
    path = uris.to_path(scope.uri)
    if path is None:
        raise ParamsError(f"{scope.uri} is not a file", "Save it in the folder first.")
    roots = sorted(server.folders, key=len, reverse=True)
    top = named or next((root for root in roots if uris.below(root, path) is not None), None)
    if top is None:
        top = os.path.dirname(path) if not server.folders else server.folders[0]
    rest = uris.below(top, path)
    if rest is None:
        raise ParamsError(f"{path} lies outside of {top}", "Give its folder as `folder`.")
    return top, _scope(server.documents, scope, rel_path(rest.replace(os.sep, "/")))


async def _one_of_many(server: MassgenServer, *, asks: bool) -> str:
    """The folder of a run about nothing in particular; which one it is, the user is told.

    With folders of several repositories the user is asked, where the client is not one that
    could have said it. Nothing is started where they do not choose.
    """
    folders = list(server.folders)
    if not folders:
        raise ParamsError("no folder is open", "Open one, or give it as `folder`.")
    if len(folders) == 1:
        return folders[0]
    several = len(await asyncio.to_thread(lambda: {uris.repository(each) for each in folders})) > 1
    if several and asks:
        chosen = await _ask_for_folder(server, folders)
        if chosen is not None:
            return chosen
    server.say(
        f"the team works in {folders[0]}, the first of {len(folders)} open folders; "
        "`folder` names another"
    )
    return folders[0]


async def _ask_for_folder(server: MassgenServer, folders: Sequence[str]) -> str | None:
    """What the user chooses; None when this client has no way to ask."""
    names = [os.path.basename(each) or each for each in folders]
    unique = len(set(names)) == len(names)
    titles = dict(zip(names if unique else folders, folders, strict=True))
    try:
        async with asyncio.timeout(server.deadlines.question):
            answer = await server.question("massgen: in which folder?", list(titles))
    except JsonRpcException:
        return None
    except TimeoutError:
        answer = None
    if answer not in titles:
        raise MassgenError(
            "No folder was chosen, so nothing was started",
            "Choose one, or give it as `folder`.",
        )
    return titles[answer]


async def open_buffers(documents: Documents, disk: LiveFiles) -> tuple[Buffer, ...]:
    """Every open document that differs from its file."""
    found: list[Buffer] = []
    for document in documents:
        if document.path is None:
            continue
        path = await asyncio.to_thread(_followed, document.path)
        folder, name = os.path.split(path)
        try:
            key = rel_path(name)
        except UnsafePathError:
            continue
        # A commit message that is being written, say: git's own files are nobody's work.
        if ".git" in folder.replace("\\", "/").split("/"):
            continue
        on_disk = None
        with suppress(MassgenError):  # it cannot be read: what the editor shows is all there is
            on_disk = (await disk.read(folder, [key])).get(key)
        buffer = buffer_of(document, on_disk.content if on_disk else None)
        if buffer is not None:
            found.append(Buffer(path, buffer.text, buffer.encoding))
    return tuple(found)


def _followed(path: str) -> str:
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
