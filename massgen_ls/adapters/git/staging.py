"""Brings the state of a working tree into an index of ours, whatever lies in that tree.

Snapshot and capture both work this way. ``git add -A`` would do most of it, but it starts
``git status`` inside submodules (with *their* configuration), fails as a whole when one file
cannot be read, and has no limit on size. So git lists what differs (one walk, its stat cache
used), this module decides path by path, and ``update-index`` takes what is left.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from massgen_ls.adapters.git.listings import Differing, list_differing
from massgen_ls.adapters.git.plumbing import Git, View, listing, names
from massgen_ls.core.changes import RelPath, folders_above, rel_path
from massgen_ls.core.errors import StorageError, UnsafePathError

HUGE = 100 * 1024 * 1024
"""Bytes. Larger files that git does not know yet are left out, with a note."""


@dataclass(frozen=True, slots=True)
class StagingRules:
    """What may come in."""

    huge: int = HUGE
    huge_tracked: bool = True
    """Whether a tracked file may grow past the limit."""
    links: Callable[[str, str], bool] = lambda path, target: True
    """(path, target) → whether a symlink may come in."""
    exclude_file: str | None = None
    """More ignore patterns."""
    exclude: tuple[str, ...] = ()
    """Still more of them, stronger than the repository's own."""
    keep: frozenset[str] = frozenset()
    """Paths that stay as the index has them: submodules."""


@dataclass(slots=True)
class Staged:
    """What was brought in."""

    changed: list[str] = field(default_factory=list[str])
    """Paths that were looked at again, as given to the index."""
    nested: list[str] = field(default_factory=list[str])
    """Embedded repositories, which were not entered."""
    notes: list[str] = field(default_factory=list[str])
    off: list[str] = field(default_factory=list[str])
    """Filter drivers that turned out not to run."""


def shown(path: str) -> str:
    """A path for people: one line, printable."""
    return path if path.isprintable() else ascii(path)[1:-1]


async def stage(git: Git, view: View, rules: StagingRules) -> Staged:
    """Updates the view's index from its working tree."""
    exclude = [f"--exclude={pattern}" for pattern in rules.exclude]
    if rules.exclude_file:
        exclude.append(f"--exclude-from={rules.exclude_file}")
    return await stage_found(git, view, rules, await list_differing(git, view, exclude))


async def stage_found(git: Git, view: View, rules: StagingRules, found: Differing) -> Staged:
    """Updates the view's index from the listing of what differs."""
    assert view.work_tree
    staged = Staged()
    tracked, others = found
    wanted = await asyncio.to_thread(_choose, view.work_tree, tracked, others, rules, staged)
    await update(git, view, wanted, staged)
    return staged


async def take_files(
    git: Git, view: View, paths: list[str], rules: StagingRules, staged: Staged
) -> None:
    """Updates the view's index with some files that it does not know yet."""
    assert view.work_tree
    wanted = await asyncio.to_thread(_choose, view.work_tree, [], paths, rules, staged)
    await update(git, view, wanted, staged)


def _choose(
    work_tree: str, tracked: list[str], others: list[str], rules: StagingRules, staged: Staged
) -> list[str]:
    """Decides path by path. Unknown files first: one may be what a folder was replaced with."""
    wanted: list[str] = []
    links: dict[str, bool] = {}
    for path in others:
        if path.endswith("/"):
            staged.nested.append(path[:-1])
        elif _may_enter(work_tree, path, rules, staged, known=False):
            wanted.append(path)
    # Bringing in what is in a folder takes away the file that the folder has replaced.
    above = {folder for path in wanted for folder in folders_above(RelPath(path))}
    for path in tracked:
        if path in above or path in rules.keep or _beyond_link(work_tree, path, links):
            continue
        if _may_enter(work_tree, path, rules, staged, known=True):
            wanted.append(path)
    return wanted


def _beyond_link(work_tree: str, path: str, seen: dict[str, bool]) -> bool:
    folder = path.rpartition("/")[0]
    if not folder:
        return False
    if folder not in seen:
        seen[folder] = os.path.islink(os.path.join(work_tree, folder)) or _beyond_link(
            work_tree, folder, seen
        )
    return seen[folder]


def _may_enter(
    work_tree: str, path: str, rules: StagingRules, staged: Staged, *, known: bool
) -> bool:
    """Whether the index may take what lies at a path now; says why when not."""
    full = os.path.join(work_tree, path)
    try:
        rel_path(path)
        found = os.lstat(full)
    except UnsafePathError:
        staged.notes.append(f"{shown(path)}: left out, the name is not safe")
        return False
    except (FileNotFoundError, NotADirectoryError):
        return known
    except OSError as error:
        staged.notes.append(f"{shown(path)}: left out, {error.strerror}")
        return False
    if stat.S_ISLNK(found.st_mode):
        try:
            target = os.readlink(full)
        except OSError as error:
            staged.notes.append(f"{shown(path)}: left out, {error.strerror}")
            return False
        if not rules.links(path, target):
            staged.notes.append(
                f"{shown(path)}: left out, a symbolic link that leads outside ({shown(target)})"
            )
            return False
        return True
    if stat.S_ISDIR(found.st_mode):
        return known  # A folder took the place of a file: the file is gone.
    if not stat.S_ISREG(found.st_mode):
        staged.notes.append(f"{shown(path)}: left out, not a regular file")
        return False
    if found.st_size > rules.huge and not (known and rules.huge_tracked):
        size = found.st_size // (1024 * 1024)
        staged.notes.append(f"{shown(path)}: left out, {size} MiB is over the limit")
        return False
    return True


_FILTER = re.compile(rb"clean filter '(.+?)'")


async def update(git: Git, view: View, paths: Sequence[str], staged: Staged) -> View:
    """Gives paths to the index; what git cannot take is left out or taken raw, with a note."""
    if not paths:
        return view
    done = await git.attempt(
        view,
        "update-index",
        "--add",
        "--remove",
        "--replace",
        "-z",
        "--stdin",
        stdin=listing(paths),
    )
    if not done.exit_code:
        staged.changed.extend(paths)
        return view
    failure = git.failure(done, ("update-index",))
    if isinstance(failure, StorageError):
        raise failure
    broken = _FILTER.search(done.stderr)
    if broken:
        name = os.fsdecode(broken[1])
        if view.settings.get(f"filter.{name}.required") != "false":
            staged.notes.append(
                f"the filter {shown(name)!r} does not run: files that need it are taken as they are"
            )
            staged.off.append(name)
            return await update(git, without_filter(view, name), paths, staged)
    if len(paths) == 1:
        why = _why(view, paths[0], failure.what)
        taken = await _take_raw(git, view, paths[0])
        staged.notes.append(
            f"{shown(paths[0])}: {'taken as it is' if taken else 'left out'}, {why}"
        )
        if taken:
            staged.changed.append(paths[0])
        return view
    # One bad path fails all of them: halve until it is alone.
    middle = len(paths) // 2
    view = await update(git, view, paths[:middle], staged)
    return await update(git, view, paths[middle:], staged)


async def _take_raw(git: Git, view: View, path: str) -> bool:
    """Puts a regular file into the index without any conversion."""
    try:
        found = os.lstat(os.path.join(view.work_tree or "", path))
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    done = await git.attempt(view, "hash-object", "-w", "--no-filters", "--", f"./{path}")
    if done.exit_code:
        return False
    mode = b"100755" if found.st_mode & 0o100 else b"100644"
    entry = mode + b" " + done.stdout.strip() + b"\t" + os.fsencode(path) + b"\0"
    done = await git.attempt(view, "update-index", "--replace", "-z", "--index-info", stdin=entry)
    return not done.exit_code


def without_filter(view: View, name: str) -> View:
    """The same place with a filter driver switched off."""
    return view.with_settings(
        {
            f"filter.{name}.clean": "",
            f"filter.{name}.smudge": "",
            f"filter.{name}.process": "",
            f"filter.{name}.required": "false",
        }
    )


def _why(view: View, path: str, said: str) -> str:
    try:
        with open(os.path.join(view.work_tree or "", path), "rb"):
            return said
    except OSError as error:
        return error.strerror or said


async def ignored(git: Git, view: View, paths: Sequence[str]) -> set[str]:
    """Those among the paths that ignore rules match."""
    if not paths:
        return set()
    # "./" keeps a name that starts with ":" from being read as pathspec magic.
    asked = listing([f"./{path}" for path in paths])
    done = await git.attempt(view, "check-ignore", "-z", "--stdin", stdin=asked)
    if done.exit_code > 1:
        raise git.failure(done, ("check-ignore",))
    return {name.removeprefix("./") for name in names(done.stdout)}
