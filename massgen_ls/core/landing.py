"""A candidate's changes → an `EditPlan` on the user's live files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from massgen_ls.core.changes import ChangeSet, FileChange, FileType, RelPath
from massgen_ls.core.diff import Differ, Refiner, edits_between, refine
from massgen_ls.core.merge import Clash, rebase
from massgen_ls.core.plan import (
    Conflict,
    ConflictReason,
    CreateFile,
    DeleteFile,
    EditPlan,
    EditText,
    LiveFile,
    Operation,
    RenameFile,
    ReplaceFile,
)
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Edit, apply_edits, split_lines

_BOM = b"\xef\xbb\xbf"


def decode(content: bytes) -> str | None:
    """The text of a file as an editor shows it, without a byte order mark; None when it is none."""
    if b"\0" in content:
        return None
    try:
        return content.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError:
        return None


def encode(text: str, like: bytes) -> bytes:
    """The bytes of a text, with a byte order mark where ``like`` has one."""
    return (_BOM if like.startswith(_BOM) else b"") + text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Side:
    """One version of a changed file, as a checkout would write it."""

    content: bytes
    """For a symlink its target."""

    @property
    def text(self) -> str | None:
        """Its text, when it is text."""
        return decode(self.content)


@dataclass(frozen=True, slots=True)
class Landing:
    """Everything that decides how a candidate lands."""

    candidate: CandidateId
    label: str
    changes: ChangeSet
    base: Mapping[RelPath, Side]
    """By the path in the base."""
    new: Mapping[RelPath, Side]
    """By the path in the candidate."""
    live: Mapping[RelPath, LiveFile]
    paths: AbstractSet[RelPath] | None = None
    """The files to take; None for all."""
    hunks: Mapping[RelPath, AbstractSet[int]] | None = None
    """For some files, the hunks to take, as indices into the hunks of base and candidate."""


def plan(landing: Landing, differ: Differ, refiner: Refiner) -> EditPlan:
    """What has to be done to the live files so that the candidate lands.

    A change that the user has made already drops out. A file with a conflict gets no operation at
    all: nothing half-merged is ever written.
    """
    operations: list[Operation] = []
    conflicts: list[Conflict] = []
    for change in landing.changes.files:
        if landing.paths is not None and change.path not in landing.paths:
            continue
        for step in _File(landing, change, differ, refiner).steps():
            if isinstance(step, Conflict):
                conflicts.append(step)
            else:
                operations.append(step)
    clashing = {conflict.path for conflict in conflicts}
    kept = [op for op in operations if op.path not in clashing]
    return EditPlan(candidate=landing.candidate, label=landing.label,
                    operations=_ordered(kept), conflicts=tuple(conflicts))  # fmt: skip


_RANKS = {RenameFile: 1, CreateFile: 2, EditText: 3, ReplaceFile: 4, DeleteFile: 5}


def _ordered(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Renames and creations make the place for edits; deletions come last.

    But what stands in the way goes first: a file where a folder is to be, or the reverse.
    """
    arriving = [op.path for op in operations if isinstance(op, CreateFile | RenameFile)]

    def rank(operation: Operation) -> tuple[int, RelPath]:
        path = operation.path
        if isinstance(operation, DeleteFile) and any(
            new.startswith(path + "/") or path.startswith(new + "/") for new in arriving
        ):
            return 0, path
        return _RANKS[type(operation)], path

    return tuple(sorted(operations, key=rank))


Step = Operation | Conflict


@dataclass(frozen=True, slots=True)
class _File:
    """One changed file on its way into the live ones."""

    landing: Landing
    change: FileChange
    differ: Differ
    refiner: Refiner

    def steps(self) -> Iterator[Step]:
        if "submodule" in {self.change.old_type, self.change.new_type}:
            yield self._conflict("unsupported")
            return
        match self.change.kind:
            case "add":
                yield from self._add()
            case "delete":
                yield from self._delete()
            case "modify":
                yield from self._change(self.change.path)
            case "rename":
                yield from self._rename()

    # ── the four kinds ──────────────────────────────────────────────────────────────────────

    def _add(self) -> Iterator[Step]:
        path, new = self.change.path, self._new()
        there = self._live(path)
        if there is not None:
            if there.content == new.content and there.type == self._type():
                return
            if self._text_equal(there, new):
                return
            yield self._conflict("exists_here", there, new)
            return
        text = new.text if self._type() in {"file", "executable"} else None
        yield CreateFile(path, new.content, text, self._type())

    def _delete(self) -> Iterator[Step]:
        path = self.change.path
        there = self._live(path)
        if there is None:
            return
        if not self._is_base(there, self._base(path)):
            yield self._conflict("changed_here", there)
            return
        yield DeleteFile(path, there.content, there.version)

    def _rename(self) -> Iterator[Step]:
        old, path = self.change.old_path, self.change.path
        assert old is not None
        there = self._live(old)
        target = self._live(path)
        if there is None:
            # Moved by the user as well: what is left is the change of its content.
            if target is not None:
                yield from self._change(path, base=old)
            else:
                yield self._conflict("deleted_here")
            return
        if target is not None and not self._same_file(old, path):
            yield self._conflict("exists_here", target, self._new())
            return
        changed = list(self._change(path, base=old, live=old))
        if any(isinstance(step, Conflict) for step in changed):
            yield from changed
            return
        yield RenameFile(old, path, there.version)
        yield from changed

    def _change(
        self, path: RelPath, *, base: RelPath | None = None, live: RelPath | None = None
    ) -> Iterator[Step]:
        """The content and type of a file that both have; ``live`` names it before its rename."""
        before, new = self._base(base or path), self._new()
        there = self._live(live or path)
        if there is None:
            yield self._conflict("deleted_here")
            return
        retyped = self.change.old_type != self.change.new_type
        if retyped and "symlink" in {self.change.old_type, self.change.new_type, there.type}:
            yield from self._replace(there, before, new)
            return
        base_text, live_text, new_text = before.text, there.text, new.text
        if base_text is None or live_text is None or new_text is None or there.type == "symlink":
            yield from self._replace(there, before, new)
            return
        edits, clashes = self._merge(base_text, live_text, new_text)
        if clashes:
            yield from clashes
            return
        wanted_type = self._type() if there.type == self.change.old_type else there.type
        if wanted_type != there.type:
            # Editors cannot set a mode: the file is written as a whole.
            content = encode(apply_edits(live_text, edits), there.content)
            yield ReplaceFile(path, there.content, content, wanted_type)
        elif edits:
            yield EditText(path, there.version, live_text, edits)

    def _replace(self, there: LiveFile, before: Side, new: Side) -> Iterator[Step]:
        """A file that cannot be merged by lines: as a whole or not at all."""
        if there.content == new.content and there.type == self._type():
            return
        if there.content != before.content or there.type != self.change.old_type:
            yield self._conflict("binary", there, new)
            return
        yield ReplaceFile(self.change.path, there.content, new.content, self._type())

    # ── merging ─────────────────────────────────────────────────────────────────────────────

    def _merge(
        self, base: str, live: str, new: str
    ) -> tuple[tuple[Edit, ...], tuple[Conflict, ...]]:
        """Edits on the live text that bring the candidate's changes in, and the conflicts."""
        chosen = (self.landing.hunks or {}).get(self.change.path)
        end = _line_end(live)
        if end and end != _line_end(base):
            # The editor shows other line ends than a checkout has: they are not a change.
            base, new = _with_line_end(base, end), _with_line_end(new, end)
        if chosen is None and live == base:
            return edits_between(live, new, self.differ, self.refiner), ()
        merge = rebase(base, live, new, self.differ, chosen)
        clashes = tuple(self._clash(clash) for clash in merge.conflicts)
        return refine(live, merge.edits, self.refiner), clashes

    def _clash(self, clash: Clash) -> Conflict:
        return Conflict(
            self.change.path,
            "overlap",
            clash.base,
            clash.live,
            clash.candidate,
            clash.live_text,
            clash.candidate_text,
        )

    # ── looking things up ───────────────────────────────────────────────────────────────────

    def _live(self, path: RelPath) -> LiveFile | None:
        return self.landing.live.get(path)

    def _base(self, path: RelPath) -> Side:
        return self.landing.base[path]

    def _new(self) -> Side:
        return self.landing.new[self.change.path]

    def _type(self) -> FileType:
        kind = self.change.new_type or "file"
        assert kind != "submodule"
        return kind

    def _is_base(self, there: LiveFile, base: Side) -> bool:
        return there.content == base.content or self._text_equal(there, base)

    def _text_equal(self, there: LiveFile, side: Side) -> bool:
        """Whether two texts differ in line ends or byte order mark at most."""
        text = side.text
        if there.text is None or text is None or there.type == "symlink":
            return False
        return there.text == text or _with_line_end(there.text, "\n") == _with_line_end(text, "\n")

    def _same_file(self, old: RelPath, path: RelPath) -> bool:
        """Whether two names are one file here: a rename by case only, on such a file system."""
        here, there = self._live(old), self._live(path)
        return (
            old.casefold() == path.casefold()
            and here is not None
            and there is not None
            and here.content == there.content
            and path not in self.landing.base
        )

    def _conflict(
        self, reason: ConflictReason, there: LiveFile | None = None, new: Side | None = None
    ) -> Conflict:
        live = (there.text if there else None) or ""
        wanted = (new.text if new else None) or ""
        return Conflict(
            self.change.path,
            reason,
            live=(0, len(split_lines(live))),
            candidate=(0, len(split_lines(wanted))),
            live_text=live,
            candidate_text=wanted,
        )


def _line_end(text: str) -> str:
    """The one line end that a text uses throughout; empty when there is none or several."""
    crlf, lf = text.count("\r\n"), text.count("\n")
    if not lf or text.count("\r") != crlf:
        return ""
    return "\r\n" if crlf == lf else "\n" if not crlf else ""


def _with_line_end(text: str, end: str) -> str:
    plain = text.replace("\r\n", "\n")
    return plain if end == "\n" else plain.replace("\n", end)
