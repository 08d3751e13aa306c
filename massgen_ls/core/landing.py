"""From a candidate's change set and the live files to an `EditPlan`.

Every file is decided by itself. With a conflict it stays as the user has it, for the hunks of a
file mostly make sense together, unless the user has said that files may land in part or has chosen
among its hunks: then what conflicts is left out, and the rest lands. No conflict is ever written.
What the user's files have already is left out too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal, NoReturn, assert_never

from massgen_ls.core.changes import (
    ChangeSet,
    FileChange,
    FileType,
    RelPath,
    folders_above,
    rel_path,
)
from massgen_ls.core.diff import Differ, Refiner, line_hunks, refine
from massgen_ls.core.errors import NotFoundError, UnsafePathError
from massgen_ls.core.merge import rebase, with_ends_of
from massgen_ls.core.plan import (
    Conflict,
    ConflictReason,
    CreateFile,
    DeleteFile,
    EditPlan,
    EditText,
    Held,
    LiveFile,
    Operation,
    RenameFile,
    ReplaceFile,
    in_order,
)
from massgen_ls.core.selection import EVERYTHING, Selection, chosen_changes
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Lines

BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Contents:
    """What the plan is computed from, by path."""

    base: Mapping[RelPath, bytes]
    """As a checkout would write it; of a rename under the old path."""
    candidate: Mapping[RelPath, bytes]
    live: Mapping[RelPath, LiveFile]
    """The user's files at all paths of the change set and, where there are any, at the folders
    above them (a link or a file in place of a folder is in the way)."""


def decode(content: bytes) -> str | None:
    """The text of a file without its byte order mark; None when it is not UTF-8 text."""
    if b"\0" in content:
        return None
    try:
        return content.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        return None


def plan_landing(
    candidate: CandidateId,
    label: str,
    changes: ChangeSet,
    contents: Contents,
    differ: Differ,
    refiner: Refiner,
    selection: Selection = EVERYTHING,
) -> EditPlan:
    """Computes what has to be done to the live files.

    Raises:
        NotFoundError: The selection names a file or a hunk that the candidate does not have.
    """
    operations: list[Operation] = []
    conflicts: list[Conflict] = []
    held: list[Held] = []
    for change in chosen_changes(changes, selection):
        hunks = selection.hunks_of(change)
        partial = selection.partial or hunks is not None
        landing = _Landing(change, contents, differ, refiner, hunks, partial)
        try:
            operations += landing.operations()
        except _Clashes as clashes:
            conflicts += clashes.conflicts
            if clashes.fitting:
                held.append(Held(change.path, clashes.fitting))
        else:
            conflicts += landing.left_out
    return EditPlan(candidate, label, in_order(operations), tuple(conflicts), tuple(held))


# ── one file ────────────────────────────────────────────────────────────────────────────────────


class _Clashes(Exception):
    """A file cannot land; caught above, where the file is left out of the plan."""

    def __init__(self, *conflicts: Conflict, fitting: tuple[int, ...] = ()) -> None:
        super().__init__(conflicts)
        self.conflicts = conflicts
        self.fitting = fitting


@dataclass(frozen=True, slots=True)
class _Landing:
    """The decision about one changed file."""

    change: FileChange
    contents: Contents
    differ: Differ
    refiner: Refiner
    hunks: AbstractSet[int] | None
    partial: bool
    left_out: list[Conflict] = field(default_factory=list[Conflict])
    """What does not land, of a file of which the rest does."""

    def operations(self) -> list[Operation]:
        """What lands.

        Raises:
            _Clashes: Nothing of this file may land.
        """
        change = self.change
        if "submodule" in (change.old_type, change.new_type):
            self._clash("unsupported")
        try:
            rel_path(change.path)
            if change.new_type == "symlink":
                _stays_inside(change.path, self._theirs)
        except UnsafePathError:
            self._clash("unsupported")
        match change.kind:
            case "add":
                return self._add()
            case "delete":
                return self._delete()
            case "rename":
                return self._rename()
            case "modify":
                live = self.contents.live.get(change.path)
                if live is None:
                    self._clash("deleted_here")
                return self._modify(live)
            case _:
                assert_never(change.kind)

    @property
    def _base(self) -> bytes:
        return self.contents.base[self.change.old_path or self.change.path]

    @property
    def _theirs(self) -> bytes:
        return self.contents.candidate[self.change.path]

    @property
    def _type(self) -> FileType:
        return self.change.new_type or "file"

    def _clash(self, reason: ConflictReason, live: LiveFile | None = None) -> NoReturn:
        """Gives up on the file; both texts go along, to be shown side by side."""
        ours = (live.text if live else None) or ""
        theirs = decode(self.contents.candidate.get(self.change.path, b"")) or ""
        raise _Clashes(
            Conflict(
                self.change.path,
                reason,
                live=(0, len(Lines(ours))),
                candidate=(0, len(Lines(theirs))),
                live_text=ours,
                candidate_text=theirs,
            )
        )

    def _add(self) -> list[Operation]:
        live = self.contents.live.get(self.change.path)
        if live is None:
            self._room_for()
            return [self._created()]
        if _kind(live.type) != _kind(self._type) or not _same(live, self._theirs):
            self._clash("exists_here", live)
        return self._mode(live, "file" if self._type == "executable" else self._type)

    def _created(self) -> CreateFile:
        text = None if self._type == "symlink" else decode(self._theirs)
        return CreateFile(self.change.path, self._theirs, text, self._type)

    def _room_for(self) -> None:
        """A new file needs its folders: none of them may be a file or a link of the user's."""
        gone = self.contents.live
        for folder in folders_above(self.change.path):
            if folder in gone and folder != self.change.old_path and not self._leaves(folder):
                self._clash("exists_here")

    def _leaves(self, folder: RelPath) -> bool:
        """Whether the candidate takes away the file in place of a folder (and it may go)."""
        live, base = self.contents.live[folder], self.contents.base.get(folder)
        return folder not in self.contents.candidate and base == live.content

    def _delete(self) -> list[Operation]:
        live = self.contents.live.get(self.change.path)
        if live is None:
            return []
        if not _same(live, self._base) or _kind(live.type) != _kind(self.change.old_type):
            self._clash("changed_here", live)
        return [DeleteFile(live.path, live.content, live.version)]

    def _rename(self) -> list[Operation]:
        change = self.change
        old_path = change.old_path
        assert old_path is not None, "a rename has an old path"
        live = self.contents.live.get(old_path)
        there = self.contents.live.get(change.path)
        if live is not None and there is not None and _one_file(live, there):
            there = None
        if live is None:
            if there is None:
                self._clash("deleted_here")
            return self._modify(there)  # the user gave it the same new name
        if there is not None:
            if _same(there, self._theirs) and live.content == self._base:
                return [
                    *self._mode(there, change.old_type),
                    DeleteFile(old_path, live.content, live.version),
                ]
            self._clash("exists_here", there)
        self._room_for()
        if old_path in folders_above(change.path):
            # A file cannot move below itself; both ends of the way are whole-file operations.
            if live.content != self._base or self.hunks is not None:
                self._clash("changed_here", live)
            return [
                DeleteFile(old_path, live.content, live.version),
                self._created(),
            ]
        moved = LiveFile(change.path, live.content, live.text, live.type, live.version)
        return [RenameFile(old_path, change.path, live.version), *self._modify(moved)]

    def _modify(self, live: LiveFile) -> list[Operation]:
        change, base, theirs = self.change, self._base, self._theirs
        old, new = decode(base), decode(theirs)
        if self.hunks is not None and old is not None and new is not None:
            self._check_hunks(self.hunks, old, new)
        old_kind, new_kind = _kind(change.old_type), _kind(change.new_type)
        if live.content == theirs and _kind(live.type) == new_kind:
            return self._mode(live, change.old_type)
        if _kind(live.type) != old_kind or old_kind != new_kind or old_kind == "symlink":
            if _kind(live.type) != old_kind or live.content != base:
                self._clash("changed_here", live)
            return [ReplaceFile(live.path, live.content, theirs, self._type)]
        if base == theirs:
            return self._mode(live, change.old_type)
        if old is None or new is None or live.text is None:
            if live.content != base:
                self._clash("binary", live)
            return [ReplaceFile(live.path, live.content, theirs, self._type)]
        marked = base.startswith(BOM) != theirs.startswith(BOM)
        if marked and live.content == base and self.hunks is None:
            # Text edits cannot bring or take a byte order mark.
            return [ReplaceFile(live.path, live.content, theirs, self._type)]
        return [*self._merge(live, old, live.text, new), *self._mode(live, change.old_type)]

    def _merge(self, live: LiveFile, base: str, text: str, theirs: str) -> list[Operation]:
        base, theirs = with_ends_of(text, base, theirs)
        merge = rebase(base, text, theirs, self.differ, self.hunks)
        conflicts = [
            Conflict(
                self.change.path,
                "overlap",
                clash.base,
                clash.live,
                clash.candidate,
                clash.live_text,
                clash.candidate_text,
                clash.hunks,
            )
            for clash in merge.conflicts
        ]
        if conflicts and not self.partial:
            raise _Clashes(*conflicts, fitting=merge.fitting)
        self.left_out.extend(conflicts)
        edits = refine(text, merge.edits, self.refiner)
        return [EditText(live.path, live.version, text, edits)] if edits else []

    def _check_hunks(self, hunks: AbstractSet[int], base: str, theirs: str) -> None:
        there = len(line_hunks(Lines(base), Lines(theirs), self.differ))
        wrong = [number for number in sorted(hunks) if not 0 <= number < there]
        if wrong:
            raise NotFoundError(
                f"{self.change.path} has no hunk {wrong[0]}",
                f"Its hunks are counted from 0 and there are {there}.",
            )

    def _mode(self, live: LiveFile, old_type: FileType | None) -> list[Operation]:
        """The exec bit alone; content and bit are two operations, as no editor knows the bit."""
        wanted = self._type
        part = self.hunks is not None and self._base_text_changes()
        if part or wanted in (old_type, live.type) or _kind(live.type) != _kind(wanted):
            return []
        return [ReplaceFile(live.path, live.content, live.content, wanted)]

    def _base_text_changes(self) -> bool:
        return self.change.kind != "add" and self._base != self._theirs


def _kind(type_: FileType | None) -> Literal["file", "symlink", "submodule"]:
    """The type without the exec bit, which many file systems and settings do not keep."""
    return "file" if type_ is None or type_ == "executable" else type_


def _same(live: LiveFile, content: bytes) -> bool:
    """Whether a live file says the same, whatever its line ends."""
    if live.content == content:
        return True
    text = decode(content)
    if text is None or live.text is None or live.type == "symlink":
        return False
    return _LINE_END.sub("\n", text) == _LINE_END.sub("\n", live.text)


def _one_file(one: LiveFile, other: LiveFile) -> bool:
    """Whether two names are one file on a disk that folds case or unicode forms."""
    names = [unicodedata.normalize("NFC", file.path).casefold() for file in (one, other)]
    return names[0] == names[1] and one.content == other.content


def _stays_inside(path: RelPath, target: bytes) -> None:
    """Checks where a link of the candidate's leads.

    Raises:
        UnsafePathError: Out of the repository or into its ``.git``.
    """
    text = target.decode("utf-8", "surrogateescape")
    if not text or text.startswith("/") or "\0" in text or "\\" in text or text[1:2] == ":":
        raise UnsafePathError(f"{path} is a link that leads to {text!r}")
    parts = path.split("/")[:-1]
    for part in text.split("/"):
        if part == "..":
            if not parts:
                raise UnsafePathError(f"{path} is a link that leads outside")
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
            rel_path("/".join(parts))
