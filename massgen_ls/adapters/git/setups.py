"""What a worktree gets beyond its tree: included ignored files and set-up commands."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from massgen_ls.adapters.git.includes import bring, find, fingerprint
from massgen_ls.adapters.git.plumbing import Git, View
from massgen_ls.adapters.git.shadow import Recipe
from massgen_ls.adapters.git.trees import Place, State, check_out, reads, unknown, write_exclude
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.errors import WorkspaceError
from massgen_ls.core.task import RunId, SandboxRule, WorktreeRules
from massgen_ls.ports import Command, Fence, Processes

_PATIENCE = 900.0
"""Seconds that one set-up command may take."""

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the rules ask for, found out once for a snapshot."""

    roots: tuple[str, ...] = ()
    fingerprint: str = ""
    sandbox: SandboxRule = "auto"


@dataclass(frozen=True, slots=True)
class Setups:
    """Sets worktrees up, and knows when that can be spared."""

    git: Git
    processes: Processes
    environ: Mapping[str, str]
    _found: dict[tuple[RunId, str, tuple[str, ...]], Wanted] = field(
        default_factory=dict[tuple[RunId, str, tuple[str, ...]], Wanted]
    )
    _finding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def wanted(
        self,
        place: Place,
        snapshot: Snapshot,
        recipe: Recipe,
        run: RunId,
        rules: WorktreeRules,
        sandbox: SandboxRule = "auto",
    ) -> Wanted:
        """Finds the included paths in the user's working tree, which is only read.

        Once for each run: ignored files change without a new snapshot.
        """
        if not rules.include:
            return Wanted(sandbox=sandbox)
        key = (run, snapshot.commit, rules.include)
        async with self._finding:
            if key not in self._found:
                index = os.path.join(place.shadow.snapshot_folder(snapshot.commit), "index")
                view = View(
                    place.shadow.git_dir, None, recipe.root, index, settings=recipe.settings
                )
                roots = await find(self.git, view, rules.include)
                # Not `strict`: equal files that were written again need no new set-up.
                printed = await asyncio.to_thread(fingerprint, recipe.root, roots, strict=False)
                while len(self._found) >= _REMEMBERED:
                    del self._found[next(iter(self._found))]
                self._found[key] = Wanted(tuple(roots), printed)
        return replace(self._found[key], sandbox=sandbox)

    def still_good(self, place: Place, state: State, key: str) -> bool:
        """Whether what an earlier set-up with the same key made is untouched. Blocking."""
        return state.key == key and (
            fingerprint(place.tree, state.kept, strict=True) == state.kept_print
        )

    def key(self, place: Place, rules: WorktreeRules, wanted: Wanted) -> str:
        """Everything that decides what the set-up makes. The tree is checked out by now."""
        if not rules.include and not rules.setup:
            return ""
        files: list[list[str]] = []
        for name in rules.setup_key:
            path = os.path.join(place.tree, name)
            try:
                if os.path.islink(path):
                    raise FileNotFoundError
                with open(path, "rb") as file:
                    files.append([name, hashlib.sha256(file.read()).hexdigest()])
            except OSError:
                files.append([name, "absent"])
        said = [rules.include, rules.include_mode, rules.setup, files, wanted.fingerprint]
        if rules.setup and wanted.sandbox == "off":
            said.append("unconfined")  # may have made what a confined one could not
        return hashlib.sha256(json.dumps(said).encode("ascii")).hexdigest()

    async def make(
        self,
        place: Place,
        snapshot: Snapshot,
        recipe: Recipe,
        rules: WorktreeRules,
        wanted: Wanted,
        tree: str,
    ) -> tuple[tuple[str, ...], str]:
        """Sets up a worktree that has nothing but its tree; returns what stays and its print.

        Raises:
            WorkspaceError: A set-up command fails.
            MassgenError: A sandbox is required and there is none.
        """
        link = rules.include_mode == "symlink"
        await asyncio.to_thread(bring, recipe.root, place.tree, wanted.roots, link=link)
        for argv in rules.setup:
            await self._run(place, snapshot, recipe, argv, wanted.sandbox)
        if rules.setup:
            # The base of every candidate is the tree: a lock file that the set-up rewrote
            # would else look like the agent's work.
            await check_out(self.git, place, recipe, tree, snapshot)
        kept = tuple(await unknown(self.git, place, recipe))
        printed = await asyncio.to_thread(fingerprint, place.tree, kept, strict=True)
        write_exclude(place, kept)
        return kept, printed

    async def _run(
        self,
        place: Place,
        snapshot: Snapshot,
        recipe: Recipe,
        argv: tuple[str, ...],
        sandbox: SandboxRule,
    ) -> None:
        names = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "USER", "LOGNAME")
        environ = {name: self.environ[name] for name in names if name in self.environ}
        environ.update(HOME=place.home, TMPDIR=place.home)
        command = Command(
            argv=argv,
            cwd=os.path.join(place.tree, snapshot.prefix) if snapshot.prefix else place.tree,
            env=environ,
            timeout=_PATIENCE,
            # The command is the user's, but the script that it runs is the tree's: an agent's.
            fence=None
            if sandbox == "off"
            else Fence(
                (place.tree, place.home),
                required=sandbox == "required",
                readable=reads(place, recipe),
            ),
        )
        shown = " ".join(argv)
        hint = "Correct `worktree.setup` in the configuration, or run that command yourself."
        try:
            done = await self.processes.run(command)
        except OSError as error:
            raise WorkspaceError(
                f"The set-up command {shown!r} cannot be started: {error.strerror}", hint
            ) from error
        if done.timed_out:
            raise WorkspaceError(f"The set-up command {shown!r} took too long", hint)
        if done.exit_code:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().split("\n")
            raise WorkspaceError(
                f"The set-up command {shown!r} failed ({done.exit_code}): {said[-1]}", hint
            )
