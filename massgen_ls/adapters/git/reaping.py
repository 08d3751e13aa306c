"""Forgets old runs."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from massgen_ls.adapters.git.locks import holding
from massgen_ls.adapters.git.plumbing import Git, storage_error
from massgen_ls.adapters.git.repository import drop_refs, recorded_runs, write_config
from massgen_ls.adapters.git.shadow import Shadow
from massgen_ls.adapters.git.snapshots import ref_part
from massgen_ls.adapters.git.trash import Trash
from massgen_ls.core.task import RunId

_DATED = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]+")
_AGE = timedelta(days=30)
_NEWEST = 200
"""Runs of one shadow that are kept, however quickly they follow each other."""
_AT_ONCE = 1000
"""Refs that are dropped in one go; the next start goes on."""
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


async def retire_runs(git: Git, shadow: Shadow, now: float) -> None:
    """Drops the refs of runs that are old, or beyond the newest ones of a shadow.

    Only refs go, no object: who reads such a run at this moment is not disturbed. Runs whose
    name does not say when they began stay.
    """
    listed = await git.run(shadow.view, "for-each-ref", "--format=%(refname)", "refs/runs")
    refs: dict[str, list[str]] = {}
    for ref in os.fsdecode(listed).split("\n"):
        parts = ref.split("/", 3)
        if len(parts) == 4 and _DATED.fullmatch(parts[2]):
            refs.setdefault(parts[2], []).append(ref)
    # A name begins with the time, in figures that sort as they are.
    oldest = f"{datetime.fromtimestamp(now, UTC) - _AGE:%Y%m%d-%H%M%S}"
    runs = sorted(refs, reverse=True)
    stale = {*runs[_NEWEST:], *(run for run in runs if run < oldest)}
    gone = [ref for run in sorted(stale) for ref in refs[run]][:_AT_ONCE]
    if gone:
        words = b"".join(b"delete " + os.fsencode(ref) + b"\0\0" for ref in gone)
        await git.run(shadow.view, "update-ref", "-z", "--stdin", stdin=words)


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
