"""Forgets old runs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from massgen_ls.adapters.git.plumbing import Git
from massgen_ls.adapters.git.shadow import Shadow

_DATED = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]+")
_AGE = timedelta(days=30)
_NEWEST = 200
"""Runs of one shadow that are kept, however quickly they follow each other."""
_AT_ONCE = 1000
"""Refs that are dropped in one go; the next start goes on."""


async def retire_runs(git: Git, shadow: Shadow, now: float) -> None:
    """Drops the refs of runs that are old, or beyond the newest ones of a shadow.

    Only refs go, no object: who reads such a run at this moment is not disturbed. Runs whose
    name does not say when they began stay.
    """
    listed = await git.run(shadow.view, "for-each-ref", "--format=%(refname)", "refs/runs")
    gone = stale_refs(os.fsdecode(listed).split("\n"), now)
    if gone:
        await drop(git, shadow, gone)


def stale_refs(refs: Iterable[str], now: float) -> list[str]:
    """Those of runs that are to be forgotten; ``now`` in seconds since the epoch."""
    dated: dict[str, list[str]] = {}
    for ref in refs:
        parts = ref.split("/", 3)
        if len(parts) == 4 and parts[:2] == ["refs", "runs"] and _DATED.fullmatch(parts[2]):
            dated.setdefault(parts[2], []).append(ref)
    # A name begins with the time, in figures that sort as they are.
    oldest = f"{datetime.fromtimestamp(now, UTC) - _AGE:%Y%m%d-%H%M%S}"
    runs = sorted(dated, reverse=True)
    stale = {*runs[_NEWEST:], *(run for run in runs if run < oldest)}
    return [ref for run in sorted(stale) for ref in dated[run]][:_AT_ONCE]


async def drop(git: Git, shadow: Shadow, refs: Sequence[str]) -> None:
    """Deletes refs of a shadow."""
    words = b"".join(b"delete " + os.fsencode(ref) + b"\0\0" for ref in refs)
    await git.run(shadow.view, "update-ref", "-z", "--stdin", stdin=words)
