"""A worktree's content, held against the recorded base, whatever the agent did to it.

Nothing of the agent's is believed: not its ``.git`` (which may be gone, replaced or broken), its
index, HEAD, branches or configuration. The base index with its stat cache lies outside of the
worktree, so a capture costs one walk.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
from dataclasses import replace

from massgen_ls.adapters.git.commits import write_commit
from massgen_ls.adapters.git.differences import differences
from massgen_ls.adapters.git.plumbing import Git, View, names, storage_error
from massgen_ls.adapters.git.shadow import Recipe, fresh_name
from massgen_ls.adapters.git.snapshots import run_ref, write_ref
from massgen_ls.adapters.git.staging import HUGE, Staged, StagingRules, shown, stage, take_files
from massgen_ls.adapters.git.trees import Place
from massgen_ls.adapters.git.unseen import unseen
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.changes import ChangeSet, rel_path
from massgen_ls.core.errors import UnsafePathError
from massgen_ls.core.task import CandidateId, RunId
from massgen_ls.ports import Captured

DERIVED = (
    "__pycache__/", "*.py[co]", ".pytest_cache/", ".mypy_cache/", ".ruff_cache/", ".tox/",
    "node_modules/", ".DS_Store",
)  # fmt: skip
"""What running a program leaves behind, also where no ``.gitignore`` says so. New files of that
kind are no part of an agent's work; those that the snapshot holds are files like any other."""
_DEEPEST = 16
"""Repositories inside repositories inside …: past this they are left out."""


def stays_inside(path: str, target: str) -> bool:
    """Whether a symlink at a path leads to a path of the same tree, whatever lies between.

    ``..`` is accepted at the start alone: behind another link it could lead anywhere.
    """
    if not target or target.startswith("/") or "\0" in target or "\\" in target:
        return False
    parts = [part for part in target.split("/") if part not in {"", "."}]
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    if ".." in parts[ups:]:
        return False
    here = posixpath.dirname(path).split("/") if "/" in path else []
    if ups > len(here):
        return False
    whole = "/".join(here[: len(here) - ups] + parts[ups:])
    if not whole:
        return True
    try:
        rel_path(whole)
    except UnsafePathError:
        return False
    return True


async def capture(
    git: Git,
    place: Place,
    recipe: Recipe,
    snapshot: Snapshot,
    run: RunId,
    candidate: CandidateId,
    message: str,
    *,
    huge: int = HUGE,
) -> Captured:
    """Records what differs from the snapshot; see `massgen_ls.ports.Lease.capture`."""
    index = os.path.join(place.ours, f"capture-{fresh_name()}")
    view = place.view(recipe, index)
    try:
        shutil.copy2(os.path.join(place.ours, "index"), index)
        rules = StagingRules(
            huge=huge,
            huge_tracked=False,
            links=stays_inside,
            exclude_file=place.exclude_rules(),
            exclude=DERIVED,
            keep=frozenset(recipe.gitlinks),
        )
        staged = await stage(git, view, rules)
        await _enter_nested(git, place, view, rules, staged)
        staged.notes.extend(
            f"{path}: what was changed inside of a submodule is not captured"
            for path in recipe.gitlinks
            if _holds_something(os.path.join(place.tree, path))
        )
        tree = (await git.run(view, "write-tree", "--missing-ok")).decode().strip()
        beside = await unseen(git, view, place, staged.changed, rules.keep)
        if tree == snapshot.tree:
            return Captured(tree, snapshot.commit, ChangeSet(), tuple(staged.notes), beside)
        made = await _record(git, view, snapshot, run, candidate, message, tree, staged)
        return replace(made, unseen=beside)
    except OSError as error:
        raise storage_error(error, place.top) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(index)


def _holds_something(folder: str) -> bool:
    """A submodule's folder is empty in a worktree, until somebody writes there."""
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False


async def _record(
    git: Git,
    view: View,
    snapshot: Snapshot,
    run: RunId,
    candidate: CandidateId,
    message: str,
    tree: str,
    staged: Staged,
) -> Captured:
    found = await differences(git, view, snapshot.tree, tree)
    commit = write_commit(snapshot.shadow, tree, [snapshot.commit], message or candidate)
    # Both sides of every change go into the shadow itself: they must outlive a gc of the
    # user's repository. The ref comes last, so what has a ref is complete.
    every = dict.fromkeys((*found.objects, snapshot.tree, tree, snapshot.commit, commit))
    await git.run(
        view,
        "pack-objects",
        "-q",
        "--threads=1",
        os.path.join(snapshot.shadow, "objects", "pack", "pack"),
        stdin="".join(f"{oid}\n" for oid in every).encode("ascii"),
    )
    write_ref(snapshot.shadow, run_ref(run, candidate), commit)
    return Captured(tree, commit, found.changes, (*staged.notes, *found.notes))


async def _enter_nested(
    git: Git, place: Place, view: View, rules: StagingRules, staged: Staged
) -> None:
    """Takes the files of repositories that the agent made inside of its worktree.

    Tools that start projects run ``git init`` by themselves; the files are the agent's work.
    """
    queue = [(path, 1) for path in staged.nested]
    while queue:
        folder, depth = queue.pop(0)
        if depth > _DEEPEST:
            staged.notes.append(f"{shown(folder)}: left out, too many repositories inside others")
            continue
        staged.notes.append(
            f"{shown(folder)}: a repository of its own; its files were taken, its history was not"
        )
        inner = replace(
            view,
            work_tree=os.path.join(place.tree, folder),
            index=os.path.join(place.ours, "no-index"),
        )
        asked = await git.run(inner, "ls-files", "-o", "-z", "--exclude-standard")
        found = [f"{folder}/{name}" for name in names(asked)]
        queue.extend((name[:-1], depth + 1) for name in found if name.endswith("/"))
        await take_files(git, view, [n for n in found if not n.endswith("/")], rules, staged)
