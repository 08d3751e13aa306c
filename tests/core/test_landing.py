"""What landing does with every kind of change, in every state of the user's files."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.core.changes import ChangeKind, ChangeSet, FileChange, FileType, RelPath
from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.landing import Contents, decode, plan_landing
from massgen_ls.core.plan import (
    CreateFile,
    DeleteFile,
    EditPlan,
    EditText,
    Held,
    LiveFile,
    RenameFile,
    ReplaceFile,
)
from massgen_ls.core.selection import Selection
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Edit, apply_edits

ID = CandidateId("alice.1")
F = RelPath("f.txt")
NEW = RelPath("new.txt")
BASE = b"one\ntwo\nthree\nfour\nfive\n"
THEIRS = b"one\ntwo\nTHREE\nfour\nfive\n"
BINARY = b"\0\1\2"
BOM = b"\xef\xbb\xbf"


def change(
    kind: ChangeKind,
    path: str = F,
    old_path: str | None = None,
    types: tuple[FileType | None, FileType | None] = ("file", "file"),
) -> FileChange:
    old, new = types
    return FileChange(
        kind,
        RelPath(path),
        RelPath(old_path) if old_path else None,
        old_type=None if kind == "add" else old,
        new_type=None if kind == "delete" else new,
    )


def live(content: bytes | str, kind: FileType = "file", version: int | None = None) -> LiveFile:
    content = content.encode() if isinstance(content, str) else content
    return LiveFile(F, content, None if kind == "symlink" else decode(content), kind, version)


def plan(
    *changes: FileChange,
    base: Mapping[str, bytes] | None = None,
    theirs: Mapping[str, bytes] | None = None,
    now: Mapping[str, LiveFile] | None = None,
    selection: Selection | None = None,
) -> EditPlan:
    files = {
        RelPath(path): LiveFile(RelPath(path), f.content, f.text, f.type, f.version)
        for path, f in (now or {}).items()
    }
    contents = Contents(
        {RelPath(path): blob for path, blob in (base or {}).items()},
        {RelPath(path): blob for path, blob in (theirs or {}).items()},
        files,
    )
    return plan_landing(
        ID, "label", ChangeSet.of(changes), contents, differ, refiner, selection or Selection()
    )


def modified(
    now: LiveFile | None,
    base: bytes = BASE,
    theirs: bytes = THEIRS,
    types: tuple[FileType, FileType] = ("file", "file"),
    hunks: set[int] | None = None,
    *,
    partial: bool = False,
) -> EditPlan:
    return plan(
        change("modify", types=types),
        base={F: base},
        theirs={F: theirs},
        now={F: now} if now else {},
        selection=Selection(hunks={F: hunks} if hunks is not None else {}, partial=partial),
    )


def reasons(found: EditPlan) -> list[str]:
    assert found.operations == (), "nothing of a conflicting file is written"
    return [conflict.reason for conflict in found.conflicts]


def landed(found: EditPlan, left: int = 0) -> str:
    assert len(found.conflicts) == left
    (edit,) = found.operations
    assert isinstance(edit, EditText)
    return apply_edits(edit.before, edit.edits)


# ── text ────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_word_lands_as_an_edit_of_that_word_with_the_version() -> None:
    found = modified(live(BASE, version=7))
    assert found.operations == (EditText(F, 7, BASE.decode(), (Edit(8, 13, "THREE"),)),)


def test_what_the_user_typed_meanwhile_stays() -> None:
    assert landed(modified(live("zero\none\ntwo\nthree\nfour\nFIVE\n"))) == (
        "zero\none\ntwo\nTHREE\nfour\nFIVE\n"
    )


def test_what_the_user_has_already_drops_out() -> None:
    assert modified(live(THEIRS)) == EditPlan(ID, "label", ())


def test_the_same_lines_changed_by_both_conflict_and_both_texts_are_told() -> None:
    found = modified(live("one\ntwo\nDREI\nfour\nfive\n"))
    assert reasons(found) == ["overlap"]
    (conflict,) = found.conflicts
    assert (conflict.base, conflict.live, conflict.candidate) == ((2, 3), (2, 3), (2, 3))
    assert (conflict.live_text, conflict.candidate_text) == ("DREI\n", "THREE\n")


def test_a_file_with_one_conflict_lands_nothing_and_other_files_land() -> None:
    other = "g.txt"
    found = plan(
        change("modify"),
        change("modify", other),
        base={F: BASE, other: BASE},
        theirs={F: THEIRS.replace(b"one", b"ONE"), other: THEIRS},
        now={F: live(BASE.replace(b"three", b"drei")), other: live(BASE)},
    )
    assert [op.path for op in found.operations] == [other]
    assert [conflict.path for conflict in found.conflicts] == [F]


def test_hunks_that_fit_beside_a_conflict_wait_for_the_user_s_word() -> None:
    theirs = BASE.replace(b"one", b"ONE").replace(b"three", b"THREE").replace(b"five", b"FIVE")
    mine = BASE.replace(b"three", b"drei")
    found = modified(live(mine), theirs=theirs)
    assert reasons(found) == ["overlap"]
    assert found.conflicts[0].hunks == (1,)
    assert found.held == (Held(F, (0, 2)),)
    partial = modified(live(mine), theirs=theirs, partial=True)
    assert partial.held == ()
    assert partial.conflicts == found.conflicts
    assert landed(partial, left=1) == "ONE\ntwo\ndrei\nfour\nFIVE\n"


def test_chosen_hunks_land_one_by_one() -> None:
    theirs = BASE.replace(b"one", b"ONE").replace(b"three", b"THREE").replace(b"five", b"FIVE")
    found = modified(live(BASE.replace(b"three", b"drei")), theirs=theirs, hunks={0, 1})
    assert [conflict.hunks for conflict in found.conflicts] == [(1,)]
    assert landed(found, left=1) == "ONE\ntwo\ndrei\nfour\nfive\n"


def test_a_part_of_a_renamed_file_lands_under_its_new_name() -> None:
    theirs = BASE.replace(b"one", b"ONE").replace(b"three", b"THREE")
    now = {F: live(BASE.replace(b"three", b"drei"))}
    whole = renamed(now, theirs)
    assert reasons(whole) == ["overlap"]
    assert whole.held == (Held(NEW, (0,)),)
    rename, edit = renamed(now, theirs, selection=Selection(partial=True)).operations
    assert rename == RenameFile(F, NEW)
    assert isinstance(edit, EditText)
    assert apply_edits(edit.before, edit.edits) == "ONE\ntwo\ndrei\nfour\nfive\n"


def test_a_file_that_the_user_deleted_conflicts() -> None:
    assert reasons(modified(None)) == ["deleted_here"]


@pytest.mark.parametrize(
    ("now", "base", "theirs", "result"),
    [
        # The buffer's line ends stay, whichever way git checks out.
        ("a\r\nb\r\nc\r\n", b"a\nb\nc\n", b"a\nB\nc\n", "a\r\nB\r\nc\r\n"),
        ("a\nb\nc\n", b"a\r\nb\r\nc\r\n", b"a\r\nB\r\nc\r\n", "a\nB\nc\n"),
        ("a\r\nb\r\nc\r\nd\r\n", b"a\nb\nc\n", b"a\nb\nC\n", None),
        ("a\r\nb\r\nc\r\n\r\nd\r\n", b"a\nb\nc\n\n", b"A\nb\nc\n\n", "A\r\nb\r\nc\r\n\r\nd\r\n"),
        # The candidate changes the very line ends that the user has: taken at its word.
        ("a\nb\n", b"a\nb\n", b"a\r\nb\r\n", "a\r\nb\r\n"),
        # Mixed ones are content.
        ("a\r\nb\nc\n", b"a\r\nb\nc\n", b"a\r\nb\nC\n", "a\r\nb\nC\n"),
        ("a\nb", b"a\nb", b"a\nb\n", "a\nb\n"),
        ("a\nb\n", b"a\nb\n", b"a\nb", "a\nb"),
        ("", b"", b"text\n", "text\n"),
        ("a\r\nb", b"b", b"b\r\nc\r\n", None),
        ("a\r\nb", b"b", b"b\nc\n", None),
    ],
)
def test_line_ends(now: str, base: bytes, theirs: bytes, result: str | None) -> None:
    found = modified(live(now), base, theirs)
    if result is None:
        assert reasons(found) == ["overlap"]
    else:
        assert landed(found) == result


def test_what_the_user_has_already_with_other_line_ends_drops_out() -> None:
    assert modified(live("a\r\nb\r\nc"), b"", b"a\nb\nc") == EditPlan(ID, "label", ())
    assert modified(live("a\r\nb\r\n"), b"a", b"a\nb\n") == EditPlan(ID, "label", ())


def test_a_byte_order_mark_is_no_text_and_no_change() -> None:
    assert landed(modified(live(BOM + BASE), BOM + BASE, BOM + THEIRS)) == THEIRS.decode()


def test_a_byte_order_mark_that_the_candidate_takes_away_needs_the_whole_file() -> None:
    found = modified(live(BOM + BASE), BOM + BASE, BASE)
    assert found.operations == (ReplaceFile(F, BOM + BASE, BASE),)


# ── what is not text ────────────────────────────────────────────────────────────────────────────


def test_binary_files_are_replaced_as_a_whole_or_conflict() -> None:
    assert modified(live(BINARY), BINARY, b"\0new").operations == (
        ReplaceFile(F, BINARY, b"\0new"),
    )
    assert modified(live(b"\0new"), BINARY, b"\0new") == EditPlan(ID, "label", ())
    assert reasons(modified(live(b"\0mine"), BINARY, b"\0new")) == ["binary"]
    assert reasons(modified(live("mine\n"), BASE, BINARY)) == ["binary"]


def test_an_exec_bit_is_set_beside_the_edit_of_the_text() -> None:
    found = modified(live(BASE), types=("file", "executable"))
    assert found.operations == (
        EditText(F, None, BASE.decode(), (Edit(8, 13, "THREE"),)),
        ReplaceFile(F, BASE, BASE, "executable"),
    )
    assert modified(live(BASE), BASE, BASE, ("file", "executable")).operations == (
        ReplaceFile(F, BASE, BASE, "executable"),
    )
    there = modified(live(BASE, "executable"), BASE, BASE, ("file", "executable"))
    assert there.operations == ()


def test_an_exec_bit_that_the_user_set_is_not_taken_away_by_an_edit() -> None:
    assert landed(modified(live(BASE, "executable"))) == THEIRS.decode()


def test_a_file_becomes_a_link_only_when_the_user_left_it_alone() -> None:
    types: tuple[FileType, FileType] = ("file", "symlink")
    assert modified(live(BASE), BASE, b"other", types).operations == (
        ReplaceFile(F, BASE, b"other", "symlink"),
    )
    assert reasons(modified(live("mine\n"), BASE, b"other", types)) == ["changed_here"]
    assert modified(live(b"other", "symlink"), BASE, b"other", types).operations == ()


@pytest.mark.parametrize(
    "target", [b"/etc/passwd", b"../outside", b"a/../../b", b".git/config", b"a/.GIT/x", b""]
)
def test_a_link_that_leads_outside_never_lands(target: bytes) -> None:
    found = plan(change("add", types=(None, "symlink")), theirs={F: target})
    assert reasons(found) == ["unsupported"]


def test_a_link_within_the_repository_lands() -> None:
    found = plan(change("add", "a/l", types=(None, "symlink")), theirs={"a/l": b"../b/./c"})
    assert found.operations == (CreateFile(RelPath("a/l"), b"../b/./c", None, "symlink"),)


def test_submodules_are_told_and_left_alone() -> None:
    assert reasons(plan(change("modify", types=("submodule", "submodule")))) == ["unsupported"]


def test_a_path_into_git_never_lands() -> None:
    hooks = ".git/hooks/post-checkout"
    assert reasons(plan(change("add", hooks), theirs={hooks: b"#!/bin/sh\n"})) == ["unsupported"]


# ── files that come, go and move ────────────────────────────────────────────────────────────────


def added(now: LiveFile | None, theirs: bytes = THEIRS, kind: FileType = "file") -> EditPlan:
    return plan(change("add", types=(None, kind)), theirs={F: theirs}, now={F: now} if now else {})


def test_a_new_file_is_created_unless_it_is_there() -> None:
    assert added(None).operations == (CreateFile(F, THEIRS, THEIRS.decode()),)
    assert added(None, BINARY).operations == (CreateFile(F, BINARY, None),)
    assert added(live(THEIRS)) == EditPlan(ID, "label", ())
    assert added(live(THEIRS.replace(b"\n", b"\r\n"))) == EditPlan(ID, "label", ())
    assert reasons(added(live("mine\n"))) == ["exists_here"]
    assert reasons(added(live(THEIRS, "symlink"))) == ["exists_here"]
    assert added(live(THEIRS), kind="executable").operations == (
        ReplaceFile(F, THEIRS, THEIRS, "executable"),
    )


@pytest.mark.parametrize("kind", ["file", "symlink"])
def test_a_file_or_link_in_place_of_its_folder_is_in_the_way(kind: FileType) -> None:
    found = plan(change("add", "a/b/c"), theirs={"a/b/c": b"x\n"}, now={"a": live("mine", kind)})
    assert reasons(found) == ["exists_here"]


def test_a_file_makes_room_for_a_folder_before_the_folder_comes() -> None:
    found = plan(
        change("delete", "a"),
        change("add", "a/b"),
        base={"a": b"old\n"},
        theirs={"a/b": b"new\n"},
        now={"a": live("old\n")},
    )
    assert [type(op) for op in found.operations] == [DeleteFile, CreateFile]


def test_a_deletion_lands_only_on_what_the_base_had() -> None:
    gone = change("delete")
    assert plan(gone, base={F: BASE}, now={F: live(BASE, version=3)}).operations == (
        DeleteFile(F, BASE, 3),
    )
    assert plan(gone, base={F: BASE}) == EditPlan(ID, "label", ())
    assert reasons(plan(gone, base={F: BASE}, now={F: live("mine\n")})) == ["changed_here"]


def renamed(
    now: Mapping[str, LiveFile],
    theirs: bytes = THEIRS,
    base: bytes = BASE,
    new: str = NEW,
    selection: Selection | None = None,
) -> EditPlan:
    moved = change("rename", new, F)
    return plan(moved, base={F: base}, theirs={new: theirs}, now=now, selection=selection)


def test_a_rename_takes_the_user_s_changes_along() -> None:
    found = renamed({F: live("zero\n" + BASE.decode(), version=4)})
    rename, edit = found.operations
    assert rename == RenameFile(F, NEW, 4)
    assert isinstance(edit, EditText)
    assert (edit.path, edit.version) == (NEW, 4)
    assert apply_edits(edit.before, edit.edits) == "zero\n" + THEIRS.decode()


def test_a_mere_rename_moves_whatever_the_user_has() -> None:
    found = renamed({F: live(b"\0mine")}, theirs=BINARY, base=BINARY)
    assert found.operations == (RenameFile(F, NEW),)


def test_renames_that_cannot_be() -> None:
    assert reasons(renamed({})) == ["deleted_here"]
    assert reasons(renamed({F: live(BASE), NEW: live("mine\n")})) == ["exists_here"]
    assert reasons(renamed({F: live(BASE.replace(b"three", b"drei"))})) == ["overlap"]
    assert reasons(renamed({F: live(b"\0mine")}, b"\0new", BINARY)) == ["binary"]


def test_a_rename_that_the_user_made_too_leaves_the_edit() -> None:
    assert landed(renamed({NEW: live("zero\n" + BASE.decode())})) == "zero\n" + THEIRS.decode()


def test_a_rename_whose_copy_is_there_leaves_the_deletion() -> None:
    found = renamed({F: live(BASE), NEW: live(THEIRS)})
    assert found.operations == (DeleteFile(F, BASE),)


def test_a_rename_by_case_is_one_where_both_names_are_one_file() -> None:
    found = renamed({F: live(BASE), "F.TXT": live(BASE)}, BASE, BASE, "F.TXT")
    assert found.operations == (RenameFile(F, RelPath("F.TXT")),)


def test_a_file_that_moves_below_its_own_name_goes_and_comes() -> None:
    inside = "f.txt/part"
    found = renamed({F: live(BASE)}, new=inside)
    assert found.operations == (
        DeleteFile(F, BASE),
        CreateFile(RelPath(inside), THEIRS, THEIRS.decode()),
    )


def test_a_file_that_moves_below_its_own_name_goes_only_as_the_base_had_it() -> None:
    inside = "f.txt/part"
    assert reasons(renamed({F: live("zero\n" + BASE.decode())}, new=inside)) == ["changed_here"]
    found = plan(
        change("rename", inside, F),
        base={F: BASE},
        theirs={inside: THEIRS},
        now={F: live(BASE)},
        selection=Selection(hunks={RelPath(inside): {0}}),
    )
    assert reasons(found) == ["changed_here"]


def test_what_is_no_text_is_compared_byte_by_byte() -> None:
    assert reasons(added(live(b"\0mine"), BINARY)) == ["exists_here"]
    assert added(live(BINARY), BINARY) == EditPlan(ID, "label", ())
    gone = plan(change("delete"), base={F: BINARY}, now={F: live(b"\0mine")})
    assert reasons(gone) == ["changed_here"]


def test_operations_come_in_an_order_that_every_editor_survives() -> None:
    found = plan(
        change("delete", "d"),
        change("modify", "a"),
        change("modify", "b", types=("file", "file")),
        change("add", "c"),
        change("rename", "z", "y"),
        base={"d": b"d\n", "a": b"a\n", "b": BINARY, "y": b"y\n"},
        theirs={"a": b"A\n", "b": b"\0b", "c": b"c\n", "z": b"Z\n"},
        now={"d": live("d\n"), "a": live("a\n"), "b": live(BINARY), "y": live("y\n")},
    )
    kinds = [type(op) for op in found.operations]
    assert kinds == [RenameFile, CreateFile, EditText, EditText, ReplaceFile, DeleteFile]
    assert found.paths() == ("a", "b", "c", "d", "y", "z")


# ── a part of it ────────────────────────────────────────────────────────────────────────────────

TWO_HUNKS = b"ONE\ntwo\nthree\nfour\nFIVE\n"


def test_only_chosen_hunks_land() -> None:
    assert landed(modified(live(BASE), theirs=TWO_HUNKS, hunks={1})) == (
        "one\ntwo\nthree\nfour\nFIVE\n"
    )
    assert modified(live(BASE), theirs=TWO_HUNKS, hunks=set()).operations == ()
    clash = live(BASE.replace(b"one", b"uno"))
    assert landed(modified(clash, theirs=TWO_HUNKS, hunks={1})) == ("uno\ntwo\nthree\nfour\nFIVE\n")


def test_only_chosen_files_land() -> None:
    both = (change("modify"), change("add", "g.txt"), change("rename", "z", "y"))
    base, theirs = {F: BASE, "y": BASE}, {F: THEIRS, "g.txt": b"g\n", "z": BASE}
    now = {F: live(BASE), "y": live(BASE)}

    def touched(selection: Selection) -> tuple[str, ...]:
        return plan(*both, base=base, theirs=theirs, now=now, selection=selection).paths()

    assert touched(Selection(frozenset({RelPath("g.txt")}))) == ("g.txt",)
    assert touched(Selection(frozenset({RelPath("y")}))) == ("y", "z")
    assert touched(Selection(frozenset())) == ()
    assert touched(Selection(hunks={F: {0}})) == (F,)
    assert touched(Selection(frozenset({RelPath("g.txt")}), {F: {0}})) == (F, "g.txt")


def test_what_does_not_exist_cannot_be_chosen() -> None:
    with pytest.raises(NotFoundError, match="does not change"):
        plan(change("modify"), selection=Selection(frozenset({RelPath("other")})))
    with pytest.raises(NotFoundError, match="no hunk 2"):
        modified(live(BASE), theirs=TWO_HUNKS, hunks={0, 2})


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", ""), (b"a\r\n", "a\r\n"), (BOM + b"a", "a"), (b"\xff", None), (b"a\0", None)],
)
def test_what_is_text(content: bytes, text: str | None) -> None:
    assert decode(content) == text
