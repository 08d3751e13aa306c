"""Finds the user's repository and reads its settings, without touching it.

Git itself finds it: it knows ``core.worktree``, ownership and every layout. GitPython writes
the configuration of *our* repositories, and says what lies where git refuses. It is imported in a
thread on first use (it asks git for its version then) and closed after each.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from massgen_ls.adapters.git.plumbing import Git, first_of
from massgen_ls.core.errors import WorkspaceError

# What decides how a file and its blob relate, and which files count.
_SETTINGS = frozenset(
    {
        "core.autocrlf",
        "core.eol",
        "core.filemode",
        "core.ignorecase",
        "core.symlinks",
        "core.precomposeunicode",
        "core.checkroundtripencoding",
        "core.excludesfile",
        "core.attributesfile",
        "core.sparsecheckout",
        "core.sparsecheckoutcone",
        "core.protecthfs",
        "core.protectntfs",
        "core.bigfilethreshold",
        "core.longpaths",
        # Settings that make the user's own stat cache mean what it means to them.
        "core.trustctime",
        "core.checkstat",
    }
)
STAT_SETTINGS = ("core.trustctime", "core.checkstat")


@dataclass(frozen=True, slots=True)
class Repository:
    """The user's repository as seen from the folder that they opened. All paths absolute."""

    folder: str
    root: str
    """Top of the working tree, spelled as the user reached it (maybe through a symlink)."""
    real_root: str
    prefix: str
    git_dir: str
    """This working tree's own: HEAD, index, sparse patterns."""
    common_dir: str
    """Shared by all linked worktrees: refs, info, objects."""
    head: str | None
    object_format: str
    settings: Mapping[str, str]
    foreign_filters: tuple[str, ...] = ()
    """Filter drivers in the repository's own configuration: not run, because opening a folder
    must not run what the folder names."""
    own_filters: tuple[str, ...] = ()
    """Filter drivers of the user's own (global or system) configuration."""
    lfs: bool = False

    def object_folders(self) -> tuple[str, ...]:
        """Its object folder and, flattened, every alternate of it: git follows five levels only."""
        found: list[str] = []
        queue = [os.path.realpath(os.path.join(self.common_dir, "objects"))]
        while queue and len(found) < 64:
            folder = queue.pop(0)
            if folder in found:
                continue
            found.append(folder)
            try:
                with open(os.path.join(folder, "info", "alternates"), "rb") as file:
                    lines = file.read().split(b"\n")
            except OSError:
                continue
            queue.extend(
                os.path.realpath(os.path.join(folder, os.fsdecode(line)))
                for line in lines
                if line and not line.startswith((b"#", b'"'))
            )
        return tuple(found)


_ANSWER = re.compile(
    r"(true|false)\n(true|false)\n(.*)\nfalse\n(.*)\nfalse\n(.*)\nfalse\n(.*)\nfalse\n(\w+)\n"
    r"([0-9a-f]{40,64})?\n?",
    re.DOTALL,
)


async def discover(git: Git, folder: str) -> Repository:
    """Finds the repository that a folder lies in.

    Raises:
        WorkspaceError: There is none, it is bare, it is somebody else's, or git is unusable.
    """
    folder = _existing(folder)
    await git.ready()
    # One process for all answers. "is it bare" (false by then) stands between the paths, so that
    # a path with a newline in it cannot shift them.
    between = "--is-bare-repository"
    try:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(
                git.attempt(
                    None,
                    "rev-parse",
                    "--is-inside-work-tree",
                    between,
                    "--show-toplevel",
                    between,
                    "--absolute-git-dir",
                    between,
                    "--git-common-dir",
                    between,
                    "--show-prefix",
                    between,
                    "--show-object-format",
                    "--verify",
                    "--quiet",
                    "HEAD^{commit}",
                    cwd=folder,
                )
            )
            config = group.create_task(
                git.attempt(
                    None, "config", "--list", "-z", "--show-scope", "--includes", cwd=folder
                )
            )
    except ExceptionGroup as errors:
        raise first_of(errors) from None
    done = asked.result()
    answer = os.fsdecode(done.stdout)
    match = _ANSWER.fullmatch(answer)
    if not match or match[1] != "true":
        raise await _refusal(folder, answer, done.stderr.decode("utf-8", "replace"))
    prefix = match[6].rstrip("/")
    real_root = match[3]
    if not await asyncio.to_thread(_is_its_own, folder, real_root):
        raise WorkspaceError(
            f"The settings of the repository at {folder!r} (core.worktree) say that its files are "
            f"those of {real_root!r}, outside of it",
            "Somebody else may have set this. End it with: git config --unset core.worktree "
            "(or, if it is yours, open that folder with a `.git` in it)",
        )
    common = match[5] if os.path.isabs(match[5]) else os.path.join(folder, match[5])
    settings, foreign, own = _settings(config.result().stdout)
    return Repository(
        folder=folder,
        root=_as_spelled(folder, prefix, real_root),
        real_root=real_root,
        prefix=prefix,
        git_dir=match[4],
        common_dir=_resolved(common),
        head=match[8] or None,
        object_format=match[7],
        settings=settings,
        foreign_filters=tuple(sorted(foreign - {"lfs"})),
        own_filters=tuple(sorted(own)),
        lfs="lfs" in foreign | own,
    )


def _existing(folder: str) -> str:
    if not os.path.isdir(folder):
        raise WorkspaceError(f"The folder {folder!r} does not exist", "Open an existing folder.")
    return os.path.abspath(folder)


def _resolved(path: str) -> str:
    return os.path.realpath(path)


def _is_its_own(folder: str, real_root: str) -> bool:
    """Whether a repository's files lie where its ``.git`` is, or below."""
    top = os.path.realpath(folder)
    while not os.path.lexists(os.path.join(top, ".git")):
        if os.path.dirname(top) == top:
            return False
        top = os.path.dirname(top)
    inside = os.path.realpath(real_root)
    while not os.path.samefile(inside, top):
        if os.path.dirname(inside) == inside:
            return False
        inside = os.path.dirname(inside)
    return True


def _as_spelled(folder: str, prefix: str, real_root: str) -> str:
    """Keeps the user's own spelling of the path: the editor's URIs use it."""
    root = folder.removesuffix("/" + prefix) if prefix else folder
    try:
        return root if os.path.samefile(root, real_root) else real_root
    except OSError:
        return real_root


def _settings(listing: bytes) -> tuple[dict[str, str], set[str], set[str]]:
    """The settings that matter, and the filter drivers by whose they are."""
    settings: dict[str, str] = {}
    foreign: set[str] = set()
    own: set[str] = set()
    parts = listing.split(b"\0")
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = os.fsdecode(entry).partition("\n")
        bare = "\n" not in os.fsdecode(entry)
        if key in _SETTINGS and scope != b"command":
            settings[key] = "true" if bare else value
        elif key.startswith("filter.") and scope != b"command":
            name = key.removeprefix("filter.").rpartition(".")[0]
            (own if scope in {b"global", b"system"} else foreign).add(name)
    return settings, foreign, own


async def _refusal(folder: str, answer: str, stderr: str) -> WorkspaceError:
    if "dubious ownership" in stderr or "unsafe repository" in stderr:
        return WorkspaceError(
            f"git refuses {folder!r} because somebody else owns the repository",
            "If you trust it: git config --global --add safe.directory <its top folder>.",
        )
    if answer.startswith(("false\ntrue\n", "true\ntrue\n")):
        return WorkspaceError(
            f"{folder!r} is a bare repository: it has no working tree",
            "Open a clone or a worktree of it.",
        )
    if answer.startswith("false\nfalse\n"):
        return WorkspaceError(
            f"{folder!r} is inside a .git folder", "Open the folder that holds your files."
        )
    found = await asyncio.to_thread(_whats_here, folder)
    if found is None:
        return WorkspaceError(
            f"{folder!r} is not in a git repository", "Run `git init` there, or open another one."
        )
    said = stderr.strip().split("\n")[-1].removeprefix("fatal: ") or "git cannot read it"
    return WorkspaceError(
        f"The repository at {found!r} cannot be used: {said}",
        "Repair it until `git status` works there.",
    )


def _whats_here(folder: str) -> str | None:
    from git import InvalidGitRepositoryError, NoSuchPathError, Repo

    try:
        with Repo(folder, search_parent_directories=True, expand_vars=False) as repo:
            return str(repo.working_tree_dir or repo.git_dir)
    except (InvalidGitRepositoryError, NoSuchPathError, OSError, ValueError):
        return None


def _with_repo(path: str, act: Callable[[Any], Any]) -> Any:
    # GitPython's own types are loose; this is the one place where they are let in.
    from git import Repo

    with Repo(path, expand_vars=False) as repo:
        return act(repo)


def write_config(shadow: str, values: Mapping[str, Mapping[str, str]]) -> None:
    """Sets options of one of our repositories: section → option → value. Blocking."""

    def act(repo: Any) -> None:
        with repo.config_writer() as config:
            for section, options in values.items():
                for option, value in options.items():
                    config.set_value(section, option, value)

    _with_repo(shadow, act)
