"""Forgets old runs."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack

from massgen_ls.adapters.git.locks import holding
from massgen_ls.adapters.git.plumbing import Git, storage_error
from massgen_ls.adapters.git.repository import drop_refs, recorded_runs, write_config
from massgen_ls.adapters.git.shadow import Shadow
from massgen_ls.adapters.git.snapshots import ref_part
from massgen_ls.adapters.git.trash import Trash
from massgen_ls.core.task import RunId

_YOUNG = "1.hour.ago"
"""Objects younger than this are kept: a run that starts now may count on them."""


async def prune_shadow(git: Git, shadow: Shadow, trash: Trash, keep: frozenset[RunId]) -> None:
    """Drops the refs of all runs but those to keep, and the objects that only they needed."""
    kept = {ref_part(run) for run in keep}
    try:
        with ExitStack() as stack:
            # Whoever is at work holds one of these; nothing is taken from under them.
            for name in sorted(os.listdir(shadow.folder("locks"))):
                if not stack.enter_context(holding(shadow.folder("locks", name))):
                    return
            found = await asyncio.to_thread(recorded_runs, shadow.git_dir)
            stale = [ref for run, refs in found.items() if run not in kept for ref in refs]
            if not stale:
                return
            await asyncio.to_thread(drop_refs, shadow.git_dir, stale)
            listed = await git.run(shadow.view, "for-each-ref", "--format=%(objectname)")
            alive = set(listed.decode("ascii").split("\n"))
            for commit in os.listdir(shadow.folder("snapshots")):
                if commit not in alive:
                    trash.throw(shadow.folder("snapshots", commit))
            await _collect(git, shadow)
    except OSError as error:
        raise storage_error(error, shadow.top) from error


async def _collect(git: Git, shadow: Shadow) -> None:
    await asyncio.to_thread(
        write_config, shadow.git_dir, {"extensions": {"preciousObjects": "false"}}
    )
    try:
        await git.run(shadow.view, "gc", "--quiet", f"--prune={_YOUNG}")
    finally:
        await asyncio.to_thread(
            write_config, shadow.git_dir, {"extensions": {"preciousObjects": "true"}}
        )
