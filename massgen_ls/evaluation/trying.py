"""Runs a project's tests on files that were never committed: in one checkout, one after another."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.task import CheckSpec, RunId
from massgen_ls.evaluation.mutations import Texts
from massgen_ls.evaluation.owntests import SEEN
from massgen_ls.evaluation.repositories import Repositories
from massgen_ls.ports import Checker, Fence, Place, Said


@dataclass(frozen=True, slots=True)
class Tried:
    """A run of tests."""

    result: CheckResult
    seen: str
    """What watched tests wrote down."""

    @property
    def passed(self) -> frozenset[str]:
        """Names of the tests that passed."""
        return frozenset(self.result.passed or ())


class Trying:
    """A checkout in which versions are tried.

    Args:
        repositories: Makes it and cleans it.
        checker: Runs the tests.
        folder: The checkout.
        home: A folder for what tests write at home; made here.
    """

    def __init__(
        self, repositories: Repositories, checker: Checker, folder: Path, home: Path
    ) -> None:
        self._repositories = repositories
        self._checker = checker
        self.folder = folder
        self._home = home

    async def run(self, check: CheckSpec, *layers: Texts) -> Tried:
        """Runs a check on the base with files laid over it, the later ones on top."""
        place = Place(
            path=str(self.folder),
            folder=str(self.folder),
            home=str(self._home),
            run=RunId("cases"),
            timeout=check.timeout,
            fence=Fence((str(self.folder), str(self._home))),
        )
        files = {path: text for layer in layers for path, text in layer.items()}
        await asyncio.to_thread(self._write, files)
        result = await self._checker.run(check, "", place, _unheard)
        seen = await asyncio.to_thread(_read, self._home / SEEN)
        await self._repositories.run(self.folder, "reset", "-q", "--hard")
        await self._repositories.run(self.folder, "clean", "-fdxq")
        return Tried(result, seen)

    async def diff(self, *layers: Texts) -> bytes:
        """The patch that makes these files of the base."""
        files = {path: text for layer in layers for path, text in layer.items()}
        await asyncio.to_thread(self._write, files)
        await self._repositories.run(self.folder, "add", "-A", "-f", "--", *files)
        options = ("--cached", "--binary", "--full-index", "--no-ext-diff", "--no-color")
        made = await self._repositories.run(self.folder, "diff", *options)
        await self._repositories.run(self.folder, "reset", "-q", "--hard")
        return made

    def _write(self, files: Texts) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir(parents=True)
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(text))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _unheard(said: Said) -> None:
    del said
