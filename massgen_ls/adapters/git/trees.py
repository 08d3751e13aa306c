"""One place for a worktree: made, swept and brought to any tree, whatever was done to it.

Layout, below ``trees/<n>/`` of a shadow::

    ours/    a private GIT_DIR: the base index with its stat cache, the state; no agent's business
    tree/    the worktree; its ``.git`` is a small repository of its own, new in every lease
    home/    HOME and TMPDIR of what runs there, new in every lease

Nothing in ``tree/`` is believed when the place is used again: files are compared by a stat cache
that includes inode and change time, which no program can set back, and everything that the
index does not know goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from massgen_ls.adapters.git.commits import write_commit
from massgen_ls.adapters.git.plumbing import Git, View, names
from massgen_ls.adapters.git.shadow import Recipe, Shadow, replace_file, write_private_head
from massgen_ls.adapters.git.snapshots import put_sparse
from massgen_ls.adapters.git.trash import Trash
from massgen_ls.core.candidate import Snapshot

_TRUSTING = {"core.trustctime": "true", "core.checkstat": "default"}


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a place. Written before and after everything that changes it."""

    tree: str = ""
    checkout: str = ""
    """Settings and sparse patterns of the last checkout, as one word."""
    clean: bool = False
    """Nobody was in it since it was made ready."""
    key: str = ""
    """What the set-up was made from; empty without one."""
    kept: tuple[str, ...] = ()
    """What the set-up made: paths that git does not know and that stay."""
    kept_print: str = ""
    mode: int = 0o755
    """Permissions of a folder that a checkout makes."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one worktree."""

    shadow: Shadow
    name: str
    trash: Trash = field(repr=False)

    @property
    def top(self) -> str:
        """The folder of all."""
        return self.shadow.folder("trees", self.name)

    @property
    def tree(self) -> str:
        """The worktree."""
        return os.path.join(self.top, "tree")

    @property
    def ours(self) -> str:
        """The private GIT_DIR."""
        return os.path.join(self.top, "ours")

    @property
    def home(self) -> str:
        """The private HOME."""
        return os.path.join(self.top, "home")

    @property
    def exclude_file(self) -> str:
        """Ignore patterns for what the set-up made."""
        return os.path.join(self.ours, "exclude")

    def exclude_rules(self) -> str | None:
        """That file, when there is one."""
        return self.exclude_file if os.path.exists(self.exclude_file) else None

    @property
    def lock_path(self) -> str:
        """The lock file; outside of the place, so that it outlives it."""
        return self.shadow.folder("locks", f"tree-{self.name}")

    def view(self, recipe: Recipe, index: str | None = None) -> View:
        """Our own look at the worktree; whatever ``.git`` lies in it plays no part."""
        settings = {**recipe.settings, **_TRUSTING}
        return View(self.ours, self.shadow.git_dir, self.tree, index, settings)

    def state(self) -> State:
        """What was last written about it; the empty state when that cannot be read."""
        try:
            with open(os.path.join(self.ours, "state.json"), encoding="ascii") as file:
                loaded: dict[str, Any] = json.load(file)
            loaded["kept"] = tuple(loaded["kept"])
            return State(**loaded)
        except (OSError, ValueError, KeyError, TypeError):
            return State()

    def write(self, state: State) -> None:
        """Writes the state down."""
        replace_file(
            os.path.join(self.ours, "state.json"), json.dumps(asdict(state)).encode("ascii")
        )

    def usable(self) -> bool:
        """Whether the layout is there at all."""
        return all(
            os.path.isdir(path) and not os.path.islink(path)
            for path in (self.top, self.ours, self.tree)
        ) and os.path.isfile(os.path.join(self.ours, "index"))

    def clear(self) -> None:
        """Throws everything away."""
        self.trash.throw(self.top)

    def build(self, recipe: Recipe) -> State:
        """Lays out an empty place."""
        self.clear()
        os.makedirs(self.ours, mode=0o700)
        os.mkdir(self.tree)
        os.mkdir(self.home, mode=0o700)
        write_private_head(self.ours, self.shadow.git_dir)
        return State(mode=stat.S_IMODE(os.lstat(self.tree).st_mode), checkout=word(recipe))

    def lived_in(self) -> bool:
        """Whether there is anything in the private HOME."""
        try:
            with os.scandir(self.home) as entries:
                return next(entries, None) is not None
        except (FileNotFoundError, NotADirectoryError):
            return os.path.lexists(self.home)
        except PermissionError:
            return True  # nobody of ours made it unreadable

    def new_home(self) -> None:
        """Empties the private HOME."""
        self.trash.throw(self.home)
        os.mkdir(self.home, mode=0o700)


def word(recipe: Recipe) -> str:
    """Everything but the tree that decides how a checkout looks."""
    return json.dumps(
        [sorted(recipe.settings.items()), recipe.sparse, sorted(recipe.exact.items())]
    )


async def check_out(git: Git, place: Place, recipe: Recipe, tree: str, snapshot: Snapshot) -> None:
    """Brings every tracked file to a tree: what is right stays, all else is written anew."""
    view = place.view(recipe)
    if recipe.sparse is not None:
        put_sparse(view, recipe.sparse)
        await git.run(view, "read-tree", "--reset", "-u", tree)
        return
    await git.run(view, *await _switch(git, place, view, tree, snapshot))


async def step_to(git: Git, place: Place, recipe: Recipe, tree: str, snapshot: Snapshot) -> bool:
    """Goes on to another tree in a place that nobody was in since it was made ready.

    False: it is not as it should be, and nothing is known of it any more.
    """
    if recipe.sparse is not None or recipe.exact:
        return False
    view = place.view(recipe)
    done = await git.attempt(view, *await _switch(git, place, view, tree, snapshot))
    return done.exit_code == 0


async def _switch(
    git: Git, place: Place, view: View, tree: str, snapshot: Snapshot
) -> tuple[str, ...]:
    """The command that brings index and files to a tree.

    ``read-tree --reset -u`` does the same in twice the time: it looks at the files one after the
    other and reads every folder of the tree, also those that the index knows to be the same. A
    checkout wants a commit, though, and takes one whose tree is missing for an empty one: so
    whether the tree is there is asked first.
    """
    await git.run(view, "cat-file", "-e", tree)
    commit = snapshot.commit
    if tree != snapshot.tree:
        commit = write_commit(place.shadow.git_dir, tree, [], "massgen-ls: a candidate")
    # Where the last switch led is of no interest, and that commit may be gone by now.
    write_private_head(place.ours, place.shadow.git_dir)
    return ("checkout", "--quiet", "--force", "--detach", "--no-guess", commit)


def drop_lock(place: Place) -> None:
    """Removes the index lock of a git that was killed. Whoever calls holds the whole place."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(place.ours, "index.lock"))


async def settle(place: Place) -> None:
    """Waits until the file system's clock has moved past the set-up, which takes a few ms.

    From then on every change gives a file a change time other than the one in the fingerprint.
    (Git needs no such wait: what has the time stamp of its index it compares by content.)
    """
    written = _clock(place)
    for _ in range(20):
        if _clock(place) > written:
            return
        await asyncio.sleep(_TICK)  # there is no event for it


_TICK = 0.004
"""Seconds between two time stamps of a Linux file system, where they are not finer than that."""


def _clock(place: Place) -> int:
    """The file system's idea of now, in ns."""
    probe = os.path.join(place.ours, "probe")
    replace_file(probe, b"")
    return os.stat(probe).st_ctime_ns


async def sweep(git: Git, place: Place, recipe: Recipe, kept: Collection[str], mode: int) -> None:
    """Takes away everything that the place's index does not know, at any depth, but ``kept``.

    Not ``git clean``: that spares a ``.git`` inside a tracked folder, whatever is in it.
    """
    view = place.view(recipe)
    listed = await git.run(view, "ls-files", "-s", "-z")
    await asyncio.to_thread(_sweep, place, listed, frozenset(kept), mode)


def _known(listed: bytes) -> tuple[set[str], set[str]]:
    """Files and folders of an index, from ``ls-files -s -z``."""
    entries = os.fsdecode(listed).split("\0")[:-1]
    # Before the path stand the mode, the object's name and the stage: the same length for all.
    at = entries[0].index("\t") + 1 if entries else 0
    files = {entry[at:] for entry in entries}
    folders = {path.rpartition("/")[0] for path in files}
    if any(entry.startswith("160000") for entry in entries):
        # Of a submodule there is only the empty folder.
        modules = {entry[at:] for entry in entries if entry.startswith("160000")}
        files -= modules
        folders |= modules
    above = folders
    while above := {path.rpartition("/")[0] for path in above} - folders:
        folders |= above
    return files, folders


def _sweep(place: Place, listed: bytes, kept: frozenset[str], mode: int) -> None:
    files, folders = _known(listed)
    above = {path[:at] for path in kept for at, c in enumerate(path) if c == "/"}
    stack = [""]
    while stack:
        folder = stack.pop()
        full = os.path.join(place.tree, folder) if folder else place.tree
        if stat.S_IMODE(os.lstat(full).st_mode) != mode:
            os.chmod(full, mode)
        # From a descriptor the statuses of a folder's files come without its path's look-up.
        handle = os.open(full, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with os.scandir(handle) as entries:
                for entry in list(entries):
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if path in kept:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if path in folders or path in above:
                            stack.append(path)
                        else:
                            place.trash.throw(os.path.join(place.tree, path))
                    elif path not in files or entry.stat(follow_symlinks=False).st_nlink > 1:
                        # A second name of a file is a way into the worktree from outside of it.
                        os.unlink(entry.name, dir_fd=handle)
        finally:
            os.close(handle)


async def unknown(git: Git, place: Place, recipe: Recipe) -> list[str]:
    """Paths in the worktree that its index does not know, ignored ones included."""
    asked = await git.run(
        place.view(recipe), "ls-files", "-o", "-z", "--directory", "--no-empty-directory"
    )
    return [name.rstrip("/") for name in names(asked)]


def write_exclude(place: Place, paths: Sequence[str]) -> None:
    """Keeps some paths out of captures; none: every path may be captured."""
    replace_file(place.exclude_file, exclude_lines(paths))


def exclude_lines(paths: Sequence[str]) -> bytes:
    """Ignore patterns that match exactly these paths."""
    lines: list[bytes] = []
    for path in paths:
        escaped = "".join("\\" + c if c in "\\*?[ !#" else c for c in path)
        if "\n" not in escaped:
            lines.append(b"/" + os.fsencode(escaped) + b"\n")
    return b"".join(lines)


def reads(place: Place, recipe: Recipe) -> tuple[str, ...]:
    """What a worktree reads elsewhere: objects, and the user's folder where links lead to it."""
    objects = os.path.join(place.shadow.git_dir, "objects")
    with open(os.path.join(objects, "info", "alternates"), "rb") as file:
        others = filter(None, file.read().split(b"\n"))
        return (objects, recipe.root, *map(os.fsdecode, others))


def own_repository(place: Place, snapshot: Snapshot, recipe: Recipe, kept: Sequence[str]) -> None:
    """Gives the worktree a ``.git`` of its own, with the snapshot as its one branch. Blocking.

    It reads the objects of the shadow and of the user through alternates. So what an agent does
    to refs, stash, configuration and objects ends there, and ``git gc --prune=now`` has
    nothing of anybody else's to prune.
    """
    git_dir = os.path.join(place.tree, ".git")
    place.trash.throw(git_dir)
    shadow = place.shadow.git_dir
    for folder in ("refs/heads", "refs/tags", "objects/info", "objects/pack", "info"):
        os.makedirs(os.path.join(git_dir, folder))
    alternates = os.path.join(shadow, "objects") + "\n"
    with open(os.path.join(shadow, "objects", "info", "alternates"), "rb") as file:
        content = os.fsencode(alternates) + file.read()
    files: dict[str, bytes] = {
        "HEAD": b"ref: refs/heads/massgen\n",
        "refs/heads/massgen": snapshot.commit.encode("ascii") + b"\n",
        "objects/info/alternates": content,
        "config": _config(recipe, snapshot),
        "info/exclude": exclude_lines(kept),
    }
    if recipe.sparse is not None:
        files["info/sparse-checkout"] = recipe.sparse.encode("utf-8", "surrogateescape")
    for name, target in (
        ("shallow", "shallow"),
        ("info/attributes", "info/attributes"),
        ("info/exclude", "info/exclude"),
    ):
        try:
            with open(os.path.join(shadow, name), "rb") as file:
                files[target] = file.read() + b"\n" + files.get(target, b"")
        except FileNotFoundError:
            continue
    if "shallow" in files:
        files["shallow"] = files["shallow"].rstrip(b"\n") + b"\n"
    for name, content in files.items():
        with open(os.path.join(git_dir, name), "wb") as file:
            file.write(content)
    shutil.copy2(os.path.join(place.ours, "index"), os.path.join(git_dir, "index"))


def _config(recipe: Recipe, snapshot: Snapshot) -> bytes:
    values: dict[str, str] = {
        "core.repositoryformatversion": "0",
        "core.bare": "false",
        "core.logallrefupdates": "true",
        "user.name": "massgen-ls agent",
        "user.email": "massgen-ls@localhost",
        "gc.auto": "0",
        "maintenance.auto": "false",
        **_only_text(recipe.settings),
    }
    if len(snapshot.commit) > 40:
        values["core.repositoryformatversion"] = "1"
        values["extensions.objectformat"] = "sha256"
    lines: list[str] = []
    for key, value in values.items():
        section, _, option = key.rpartition(".")
        top, _, sub = section.partition(".")
        head = f'[{top} "{sub}"]' if sub else f"[{top}]"
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'{head}\n\t{option} = "{escaped}"\n')
    return "".join(lines).encode("utf-8", "surrogateescape")


def _only_text(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in settings.items() if "\n" not in key and '"' not in key}
