"""The difference between two trees, as a `ChangeSet` and as the objects that make it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from massgen_ls.adapters.git.plumbing import Git, View
from massgen_ls.adapters.git.staging import shown
from massgen_ls.core.changes import ChangeKind, ChangeSet, FileChange, FileType, rel_path
from massgen_ls.core.errors import UnsafePathError

_TYPES: dict[str, FileType] = {
    "100644": "file",
    "100664": "file",
    "100755": "executable",
    "120000": "symlink",
    "160000": "submodule",
}


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs."""

    changes: ChangeSet
    objects: tuple[str, ...]
    """Every blob and tree on both sides that is not the same on the other; no submodules."""
    notes: tuple[str, ...]


async def differences(
    git: Git, view: View, old: str, new: str, *, renames: bool = True
) -> Differences:
    """Compares two trees or commits."""
    found = ["-M", "-l2000"] if renames else ["--no-renames"]
    said = await git.run(
        view, "diff-tree", "-r", "-t", "-z", "--raw", "--numstat", "--no-ext-diff", "--no-textconv",
        "--no-abbrev", *found, old, new,
    )  # fmt: skip
    return parse(said)


def file_type(mode: str) -> FileType | None:
    """The type of a tree entry's mode; None for a folder."""
    return _TYPES.get(mode)


def parse(said: bytes) -> Differences:
    """Reads ``diff-tree -z --raw --numstat``: first all raw records, then all counts."""
    fields = said.split(b"\0")
    raw: list[tuple[list[str], str, str | None]] = []
    counts: dict[str, tuple[int | None, int | None]] = {}
    at = 0
    while at < len(fields) and fields[at]:
        field = fields[at]
        if field.startswith(b":"):
            parts = field[1:].decode("ascii").split(" ")
            first = os.fsdecode(fields[at + 1])
            at += 2
            if parts[4][0] in "RC":
                raw.append((parts, os.fsdecode(fields[at]), first))
                at += 1
            else:
                raw.append((parts, first, None))
            continue
        added, removed, name = field.split(b"\t", 2)
        if not name:
            name = fields[at + 2]
            at += 2
        at += 1
        counts[os.fsdecode(name)] = (
            None if added == b"-" else int(added),
            None if removed == b"-" else int(removed),
        )
    files: list[FileChange] = []
    objects: dict[str, None] = {}
    notes: list[str] = []
    for (old_mode, new_mode, old_oid, new_oid, _), path, old_path in raw:
        for mode, oid in ((old_mode, old_oid), (new_mode, new_oid)):
            if mode not in {"000000", "160000"}:
                objects[oid] = None
        old_type, new_type = file_type(old_mode), file_type(new_mode)
        if old_type is None and new_type is None:
            continue
        try:
            files.append(
                FileChange(
                    kind=_kind(old_type, new_type, renamed=old_path is not None),
                    path=rel_path(path),
                    old_path=rel_path(old_path) if old_path is not None else None,
                    old_oid=old_oid if old_type else None,
                    new_oid=new_oid if new_type else None,
                    old_type=old_type,
                    new_type=new_type,
                    added=counts.get(path, (None, None))[0],
                    removed=counts.get(path, (None, None))[1],
                )
            )
        except UnsafePathError:
            notes.append(f"{shown(path)}: left out, the name is not safe")
    return Differences(ChangeSet.of(files), tuple(objects), tuple(notes))


def _kind(old: FileType | None, new: FileType | None, *, renamed: bool) -> ChangeKind:
    if renamed:
        return "rename"
    if old is None:
        return "add"
    return "modify" if new is not None else "delete"
