"""Whether the configuration of each folder can be used: its user hears when that changes.

A file that an editor shows has its diagnostics. What is said here is about all the rest: the
editor's own settings, which have no text to mark, and files that change on the disk while nobody
looks at them. Each fault is told once, and when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from massgen_ls.core.errors import MassgenError
from massgen_ls.core.trust import SETTINGS
from massgen_ls.core.wording import counted, one_line
from massgen_ls.lsp.desk import EditorView
from massgen_ls.lsp.server import MassgenServer

if TYPE_CHECKING:
    from massgen_ls.config.problems import Problem

_log = logging.getLogger(__name__)

_REFUSED = (
    "Runs in this folder are refused until that is mended: nothing runs with half a configuration."
)

Print = Mapping[str, tuple[int, int, int]]
"""Of files that are there: modification time (ns), size, inode."""


class Soundness:
    """What was said of the configurations of one editor's folders."""

    def __init__(self, server: MassgenServer) -> None:
        self._server = server
        self._prints: dict[str, Print] = {}
        self._included: dict[str, frozenset[str]] = {}
        """By folder: files with problems, which may have any name and place."""
        self._faults: dict[str, frozenset[str]] = {}
        """By folder: what is wrong in the editor's settings, as it was said."""
        self._broken: dict[str, str] = {}
        """By folder: the first file that was told to be wrong."""
        self._turn = asyncio.Lock()

    def begin(self) -> None:
        """The conversation has begun."""
        self._server.spawn(self._look_at_settings())
        self._server.spawn(self._watch())

    def configured(self) -> None:
        """The editor's settings have changed."""
        self._server.spawn(self._look_at_settings())

    async def _look_at_settings(self) -> None:
        for folder in list(self._server.folders):
            view = await self._server.settings.view(folder)
            if view.says or self._faults.get(folder):
                await self._check(folder, view, files=False)

    async def _watch(self) -> None:
        """Looks for other files than those that were there, as long as the editor is."""
        while True:
            for folder in list(self._server.folders):
                found = await asyncio.to_thread(self._print, folder)
                known = self._prints.get(folder)
                self._prints[folder] = found
                if known is not None and known != found:
                    view = await self._server.settings.view(folder)
                    # (What it finds to be wrong is looked at from then on, so at once again:
                    # perhaps it was mended before that began.)
                    await self._check(folder, view, files=True)
            await asyncio.sleep(self._server.deadlines.watch)

    def _print(self, folder: str) -> Print:
        from massgen_ls.config.places import places

        found: dict[str, tuple[int, int, int]] = {}
        for path in (*map(str, places(Path(folder))), *self._included.get(folder, ())):
            try:
                status = os.stat(path)
            except (OSError, ValueError):
                continue
            found[path] = status.st_mtime_ns, status.st_size, status.st_ino
        return found

    async def _check(self, folder: str, view: EditorView, *, files: bool) -> None:
        """Reads everything that counts for a folder, and says what is new.

        Args:
            folder: The folder.
            view: What the editor has.
            files: Whether a file has changed.
        """
        try:
            services = await self._server.services()
        except MassgenError:
            return  # there is nothing that could run
        async with self._turn:
            found = await asyncio.to_thread(services.desk.problems, folder, view)
            self._say_settings(folder, [p for p in found if p.file.startswith("the editor's ")])
            wrong = [p for p in found if p.severity == "error" and os.path.isabs(p.file)]
            self._included[folder] = frozenset(p.file for p in wrong)
            if files:
                shown = {document.path for document in self._server.documents}
                self._say_files(folder, [p for p in wrong if p.file not in shown], clean=not wrong)

    def _say_settings(self, folder: str, found: Iterable[Problem]) -> None:
        faults: dict[str, str] = {}
        for problem in found:
            name = "massgen.profile" if problem.file != SETTINGS else f"massgen.{problem.path}"
            then = f" ({problem.suggestion})" if problem.suggestion else ""
            said = f"the editor's setting `{name}`: {problem.message}{then}"
            faults[said] = f" {_REFUSED}" if problem.severity == "error" else ""
        told = self._faults.get(folder, frozenset())
        self._faults[folder] = frozenset(faults)
        for said in faults.keys() - told:
            _log.warning("%s", said)
            self._server.say(f"{one_line(said)}.{faults[said]}", types.MessageType.Warning)
        if told and not faults:
            self._server.say("the editor's settings are well again")

    def _say_files(self, folder: str, wrong: list[Problem], *, clean: bool) -> None:
        before = self._broken.get(folder)
        if wrong:
            first = wrong[0]
            more = f" (and {counted(len(wrong) - 1, 'problem')} more)" if wrong[1:] else ""
            said = one_line(first.shown())
            if said != before:
                self._broken[folder] = said
                self._server.say(f"{said}{more}. {_REFUSED}", types.MessageType.Warning)
        elif clean and before is not None:
            del self._broken[folder]
            name = os.path.basename(folder)
            self._server.say(
                f"the configuration of {one_line(name)} is well again; the next run uses it"
            )
