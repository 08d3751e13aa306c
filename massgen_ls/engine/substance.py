"""Reads what a change set needs for its normal form. The rules are in `core.normal`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence

from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.changes import ChangeSet, RelPath
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.normal import Normaliser
from massgen_ls.ports import Objects

_log = logging.getLogger(__name__)

_PARSING = threading.Lock()
"""`Normaliser.add` is for one thread at a time."""


async def substance(
    objects: Objects, snapshot: Snapshot, normaliser: Normaliser, changes: ChangeSet
) -> tuple[str, str]:
    """The digests of a change set and of its code; empty when its files cannot be read."""
    wanted = normaliser.missing(changes)
    try:
        contents = await objects.read(snapshot, wanted)
    except MassgenError as error:
        _log.warning("no normal form: %s", error)
        return "", ""
    await asyncio.to_thread(_take, normaliser, wanted, contents)
    return normaliser.digest(changes), normaliser.code(changes)


def _take(
    normaliser: Normaliser, wanted: Sequence[tuple[RelPath, str]], contents: Sequence[bytes]
) -> None:
    with _PARSING:
        for (path, oid), content in zip(wanted, contents, strict=True):
            normaliser.add(path, oid, content)
