"""Reads what a change set needs for its normal form and its faults, each file once.

The rules are in `core.normal` and `core.faults`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeAlias

from massgen_ls.core.candidate import Fault, Snapshot, TreeId
from massgen_ls.core.changes import ChangeSet, RelPath
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.faults import Faults
from massgen_ls.core.normal import Normaliser
from massgen_ls.core.pythons import Version, declarations, floor
from massgen_ls.ports import Objects

_Version: TypeAlias = tuple[RelPath, str]
"""A file's path and the object name of its content."""

_log = logging.getLogger(__name__)

_PARSING = threading.Lock()
"""`Normaliser.add` and `Faults.add` are for one thread at a time."""


@dataclass(frozen=True, slots=True)
class Files:
    """What is known of the files of one run."""

    normaliser: Normaliser = field(default_factory=Normaliser)
    faults: Faults = field(default_factory=Faults)


@dataclass(frozen=True, slots=True)
class Substance:
    """What a change set does, as far as its files can be read."""

    digest: str = ""
    """See `core.candidate.Candidate`, as for all of these."""
    code: str = ""
    faults: tuple[Fault, ...] = ()


async def substance(
    objects: Objects,
    snapshot: Snapshot,
    files: Files,
    changes: ChangeSet,
    tree: TreeId,
    *,
    compared: bool = True,
) -> Substance:
    """Looks into the changed files; of what cannot be read nothing is known, and it never raises.

    Args:
        objects: Where they are.
        snapshot: The base.
        files: The run's.
        changes: What differs from the base.
        tree: What it has become.
        compared: Whether there will be others to compare it with: else it has no digests.
    """
    try:
        return await _substance(objects, snapshot, files, changes, tree, compared=compared)
    except Exception as error:  # noqa: BLE001 - a bug in a reader costs no candidate
        _log.warning("changed files cannot be read: %s", error)
        return Substance()


async def _substance(
    objects: Objects,
    snapshot: Snapshot,
    files: Files,
    changes: ChangeSet,
    tree: TreeId,
    *,
    compared: bool,
) -> Substance:
    formed = frozenset(files.normaliser.missing(changes) if compared else ())
    judged = frozenset(files.faults.missing(changes))
    wanted = tuple(sorted(formed | judged))
    contents = await objects.read(snapshot, wanted) if wanted else ()
    await asyncio.to_thread(_take, files, formed, judged, wanted, contents)
    floors = await _floors(objects, snapshot, tree, files.faults.dated(changes))
    faults = files.faults.of(changes, floors)
    if not compared:
        return Substance(faults=faults)
    return Substance(files.normaliser.digest(changes), files.normaliser.code(changes), faults)


def _take(
    files: Files,
    formed: AbstractSet[_Version],
    judged: AbstractSet[_Version],
    wanted: Sequence[_Version],
    contents: Sequence[bytes],
) -> None:
    with _PARSING:
        for key, content in zip(wanted, contents, strict=True):
            good = key in formed and files.normaliser.add(*key, content)
            if key in judged:
                files.faults.add(*key, content, good=good)


async def _floors(
    objects: Objects, snapshot: Snapshot, tree: TreeId, paths: Sequence[RelPath]
) -> dict[RelPath, Version]:
    """For files that our Python does not read: the oldest one that their project works with."""
    found: dict[RelPath, Version] = {}
    try:
        for path in paths[:_MOST_FLOORS]:
            order = declarations(path)
            entries = [(at, await objects.entry(snapshot, tree, at)) for at in order]
            there = [(at, entry[0]) for at, entry in entries if entry and entry[1] != "submodule"]
            contents = await objects.read(snapshot, there) if there else ()
            texts = {at: text for (at, _), text in zip(there, contents, strict=True)}
            if (version := floor(texts, order)) is not None:
                found[path] = version
    except MassgenError as error:
        _log.warning("which Python the project works with cannot be read: %s", error)
    return found


_MOST_FLOORS = 20
"""Files of one candidate for which that is looked up; of the others nothing is said."""
