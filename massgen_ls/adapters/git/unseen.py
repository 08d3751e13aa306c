"""What was written into files that git ignores: no part of an agent's work, and yet to be told.

No git program looks for them: they are the files that were written after the lease began, by a
time stamp that no program can set back, and that no capture took. Only where there are any is git
asked which of them it ignores.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Collection, Sequence
from itertools import groupby

from massgen_ls.adapters.git.plumbing import Git, View
from massgen_ls.adapters.git.staging import ignored
from massgen_ls.adapters.git.trees import Place
from massgen_ls.core.changes import RelPath, folders_above
from massgen_ls.core.errors import GitError

_BUILT = frozenset(
    (
        ".git", "node_modules", "bower_components", "target", "dist", "build", "out", "bin", "obj",
        "coverage", "htmlcov", "venv", ".venv", "env", "__pycache__", ".pytest_cache",
        ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".eggs", ".cache", ".gradle",
        ".next", ".nuxt", ".parcel-cache", ".turbo", ".terraform", ".idea", ".vs",
    )
)  # fmt: skip
"""Folders of what programs make: nobody's work."""
_LEFT = re.compile(
    r".*\.(py[co]|o|obj|a|so|dylib|dll|exe|class|jar|log|tmp|bak|swp|orig|rej|tsbuildinfo|egg-link)"
    r"|.*~|\.DS_Store|Thumbs\.db|\.coverage(\..*)?|\.eslintcache|.*\.egg-info",
    re.DOTALL,
)
"""Names of files and folders that programs leave behind."""
_MOST = 1000
"""Files; of more than these somebody made them with a program."""
_FEW = 5
"""Files of one ignored folder; with more of them it is one of what a program makes."""


async def unseen(
    git: Git, view: View, place: Place, taken: Collection[str], apart: Collection[str]
) -> tuple[str, ...]:
    """Ignored files that are new or were written since the lease of a place began, sorted.

    Args:
        git: Runs git.
        view: The worktree with the index of the capture.
        place: The worktree.
        taken: What the capture has looked at. Where that is something, only folders beside it are
            looked into, those above it and new ones: all of a large repository takes as long as
            the rest of a capture.
        apart: Submodules, in which git answers no question.
    """
    near = {f for path in taken for f in folders_above(RelPath(path))} if taken else None
    written = await asyncio.to_thread(_written, place, frozenset((*taken, *apart)), near)
    if not written or len(written) > _MOST:
        return ()
    folders = {folder for path in written for folder in folders_above(RelPath(path))}
    try:
        hidden = await ignored(git, view, [*written, *folders])
    except GitError:
        return ()  # Nothing hangs on it, and the work itself is captured.
    return _few(sorted(hidden.intersection(written)), hidden)


def _few(paths: Sequence[str], hidden: Collection[str]) -> tuple[str, ...]:
    """Those of an ignored folder only where they are few."""

    def whole(path: str) -> str:
        return next((f for f in folders_above(RelPath(path)) if f in hidden), "")

    groups = [(top, list(found)) for top, found in groupby(sorted(paths, key=whole), key=whole)]
    return tuple(sorted(p for top, found in groups if not top or len(found) <= _FEW for p in found))


def _written(place: Place, taken: frozenset[str], near: Collection[str] | None) -> list[str]:
    """Files that were written since the lease began, and that nobody has looked at."""
    kept = frozenset(place.state().kept)
    holding = {path.rpartition("/")[0] for path in kept}
    wanted = {*(near or ()), *holding, *(f for path in kept for f in folders_above(RelPath(path)))}
    since = os.stat(os.path.join(place.ours, "state.json")).st_mtime_ns
    gone = (path for path in kept if not os.path.lexists(os.path.join(place.tree, path)))
    found = [path for path in gone if not _BUILT.intersection(path.split("/"))]
    stack = [("", False)]
    while stack and len(found) <= _MOST:
        folder, below = stack.pop()
        full = os.path.join(place.tree, folder)
        above = f"{folder}/" if folder else ""
        try:
            # A file that is new, or took the place of another, is written into its folder too.
            every = below or os.lstat(full).st_ctime_ns >= since
            some = every or folder in holding
            with os.scandir(full) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        path = above + entry.name
                        built = entry.name in _BUILT or _LEFT.fullmatch(entry.name)
                        if built or path in taken:
                            continue
                        made = below or path in kept
                        if near is None or made or path in wanted or _since(entry) >= since:
                            stack.append((path, made))
                    elif some:
                        path = above + entry.name
                        if (every or path in kept) and path not in taken and _is_new(entry, since):
                            found.append(path)
        except OSError:
            continue  # its owner took it away, or has locked it
    return found


def _is_new(entry: os.DirEntry[str], since: int) -> bool:
    if _LEFT.fullmatch(entry.name):
        return False
    status = entry.stat(follow_symlinks=False)
    return not stat.S_ISSOCK(status.st_mode) and status.st_ctime_ns >= since


def _since(entry: os.DirEntry[str]) -> int:
    """When something was last put into a folder, or taken out of it; ns."""
    return entry.stat(follow_symlinks=False).st_ctime_ns
