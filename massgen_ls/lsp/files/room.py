"""Folders for new files, for editors that make none: Neovim before 0.8, and Sublime Text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from massgen_ls.core.changes import RelPath
from massgen_ls.core.plan import CreateFile, Operation, RenameFile
from massgen_ls.lsp import uris
from massgen_ls.lsp.files.edits import Target


def arrivals(operations: Iterable[Operation], target: Callable[[RelPath], Target]) -> list[str]:
    """The URIs at which there will be a file that is not there yet."""
    return [target(op.path).uri for op in operations if isinstance(op, CreateFile | RenameFile)]


def make_room(new: Iterable[str]) -> Sequence[str]:
    """Makes the folders that new files need; returns them.

    What cannot be made is for the editor to find out.
    """
    made: list[str] = []
    for uri in new:
        folder = os.path.dirname(uris.to_path(uri) or os.sep)
        missing: list[str] = []
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        with suppress(OSError):
            for each in reversed(missing):
                os.mkdir(each)
                made.append(each)
    return made


def take_back(made: Sequence[str]) -> None:
    """Removes folders again, as long as they are empty."""
    with suppress(OSError):
        for each in reversed(made):
            os.rmdir(each)
