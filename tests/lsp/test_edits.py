"""Plans as edits: pure tables and laws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from pygls.protocol import default_converter

from massgen_ls.core.changes import RelPath
from massgen_ls.core.plan import (
    CreateFile,
    DeleteFile,
    EditPlan,
    EditText,
    Operation,
    RenameFile,
    ReplaceFile,
)
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Edit, Encoding, Position, Range, apply_change, apply_edits
from massgen_ls.lsp import uris
from massgen_ls.lsp.capabilities import Client, resolve
from massgen_ls.lsp.files.documents import Form, form_of
from massgen_ls.lsp.files.edits import Target, shown_result, split, text_edits, workspace_edit
from massgen_ls.lsp.files.livefiles import Deadlines
from massgen_ls.testing.editor import ServerError
from tests.lsp.editor import EGLOT, NEOVIM, VSCODE, talking

TEXTS = st.text(alphabet=st.sampled_from(list("ab\r\n\né𝒳\u2028 ")), max_size=30)


def path(text: str) -> RelPath:
    return RelPath(text)


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, tuple[Edit, ...]]:
    text = draw(TEXTS)
    spots = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pairs = zip(spots[::2], spots[1::2], strict=False)
    found: list[Edit] = []
    for start, end in pairs:
        if not found or start > found[-1].end:
            found.append(Edit(start, end, draw(TEXTS)))
    return text, tuple(found)


def performed(text: str, changes: list[types.TextEdit], encoding: Encoding) -> str:
    for each in reversed(changes):
        start, end = each.range.start, each.range.end
        where = Range(Position(start.line, start.character), Position(end.line, end.character))
        text = apply_change(text, where, each.new_text, encoding)
    return text


@settings(deadline=None)
@given(edits(), st.sampled_from(Encoding))
def test_what_an_editor_makes_of_the_edits_is_what_was_meant(
    case: tuple[str, tuple[Edit, ...]], encoding: Encoding
) -> None:
    text, wanted = case
    operation = EditText(path("a"), 1, text, wanted)
    changes = text_edits(operation, Form(), encoding)
    assert performed(text, changes, encoding) == apply_edits(text, wanted)


@settings(deadline=None)
@given(edits(), st.sampled_from(Encoding))
def test_an_editor_that_hides_carriage_returns_sees_none(
    case: tuple[str, tuple[Edit, ...]], encoding: Encoding
) -> None:
    shown = case[0].replace("\r", "")
    form = Form(hidden_crlf=True)
    saved = form.saved(shown)
    wanted = tuple(e for e in case[1] if e.end <= len(saved))
    operation = EditText(path("a"), 1, saved, wanted)
    result = performed(shown, text_edits(operation, form, encoding), encoding)
    assert result == apply_edits(saved, wanted).replace("\r", "")
    assert result == shown_result(operation, form)


def client(capabilities: dict[str, Any]) -> Client:
    return resolve({"capabilities": capabilities})


PLAN: tuple[Operation, ...] = (
    RenameFile(path("old.py"), path("new.py"), 4),
    CreateFile(path("made.py"), b"x\n", "x\n"),
    CreateFile(path("run.sh"), b"#!\n", "#!\n", "executable"),
    EditText(path("a.py"), 3, "old\n", (Edit(0, 3, "new"),)),
    EditText(path("new.py"), 4, "old\n", (Edit(0, 3, "new"),)),
    ReplaceFile(path("logo.png"), b"\0", b"\1"),
    DeleteFile(path("gone.py"), b"x", None),
)


def names(operations: tuple[Operation, ...]) -> list[str]:
    return [type(op).__name__ + " " + op.path for op in operations]


@pytest.mark.parametrize("capabilities", [VSCODE, NEOVIM], ids=["VS Code", "Neovim"])
def test_an_editor_with_file_operations_gets_all_but_what_none_can(
    capabilities: dict[str, Any],
) -> None:
    parts = split(EditPlan(CandidateId("one.1"), "x", PLAN), client(capabilities))
    assert names(parts.disk) == ["CreateFile run.sh", "ReplaceFile logo.png"]
    edit = workspace_edit(
        parts.editor, "x", client(capabilities), lambda p: Target(f"file:///{p}", Form(), 3)
    )
    plain = default_converter().unstructure(edit)
    steps = [
        step.get("kind", "edit") + " " + (step.get("newUri") or step.get("uri") or "")
        if "kind" in step
        else f"edit {step['textDocument']['uri']} {step['textDocument']['version']}"
        for step in plain["documentChanges"]
    ]
    assert steps == [
        "edit file:///old.py 3",
        "edit file:///gone.py 3",
        "rename file:///new.py",
        "create file:///made.py",
        "edit file:///made.py None",
        "edit file:///a.py 3",
        "edit file:///new.py None",
        "delete file:///gone.py",
    ], "an open document that is renamed or deleted meets its version first"
    assert [step["edits"] for step in plain["documentChanges"][:2]] == [[], []]
    if capabilities is VSCODE:
        assert plain["changeAnnotations"]["massgen"]["needsConfirmation"] is False
        assert plain["documentChanges"][5]["edits"][0]["annotationId"] == "massgen"
    else:
        assert "changeAnnotations" not in plain
        assert "annotationId" not in str(plain)


def test_what_is_not_open_is_edited_under_its_new_name() -> None:
    operations = (PLAN[0], PLAN[4], PLAN[6])
    edit = workspace_edit(
        operations, "x", client(VSCODE), lambda p: Target(f"file:///{p}", Form(), None)
    )
    plain = default_converter().unstructure(edit)
    rename, change, delete = plain["documentChanges"]
    assert (rename["kind"], delete["kind"]) == ("rename", "delete")
    assert change["textDocument"] == {"uri": "file:///new.py", "version": None}


def test_open_documents_that_swap_their_names_meet_their_versions_first() -> None:
    names = ("a.py", "b.py", "aside")
    swap = [RenameFile(path(old), path(new), 1) for old, new in (names[::2], names[1::-1])]
    swap.append(RenameFile(path("aside"), path("b.py"), 1))
    edits = [EditText(path(name), 1, f"{name}\n", (Edit(0, 1, "x"),)) for name in names[:2]]
    versions = {"a.py": 4, "b.py": 7}
    edit = workspace_edit(
        (*swap, *edits),
        "x",
        client(VSCODE),
        lambda p: Target(f"file:///{p}", Form(), versions.get(p)),
    )
    plain = default_converter().unstructure(edit)["documentChanges"]
    assert [step["textDocument"] for step in plain[:2]] == [
        {"uri": "file:///b.py", "version": 7},  # what will be a.py
        {"uri": "file:///a.py", "version": 4},
    ]
    assert [step["edits"] for step in plain[:2]] == [[], []]
    assert [step["kind"] for step in plain[2:5]] == ["rename"] * 3
    assert [step["textDocument"]["uri"] for step in plain[5:]] == ["file:///a.py", "file:///b.py"]


def test_an_editor_with_text_edits_alone_keeps_a_rename_and_its_edit_in_one_hand() -> None:
    parts = split(EditPlan(CandidateId("one.1"), "x", PLAN), client(EGLOT))
    assert names(parts.editor) == ["EditText a.py"]
    assert names(parts.disk) == names(tuple(op for op in PLAN if op.path != "a.py"))
    edit = workspace_edit(
        parts.editor, "x", client(EGLOT), lambda p: Target(f"file:///{p}", Form(), 3)
    )
    assert list((edit.changes or {}).keys()) == ["file:///a.py"]
    assert edit.document_changes is None


# ── on the disk, after the user agreed ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", ["Apply", "Cancel", None])
async def test_file_operations_happen_on_the_disk_once_the_user_agrees(
    tmp_path: Path, answer: str | None
) -> None:
    (tmp_path / "gone.py").write_bytes(b"x")
    (tmp_path / "a.py").write_bytes(b"old\n")
    operations = (PLAN[1], replace(PLAN[3], version=1), PLAN[6])
    async with talking(tmp_path, EGLOT, deadlines=Deadlines(5, 0.3)) as editor:
        editor.engine.go.set()
        editor.open("a.py", "old\n")
        if answer is not None:
            editor.answers["window/showMessageRequest"] = lambda _: {"title": answer}

        def apply(_: Any) -> Any:
            editor.change("a.py", 2, "new\n")
            return {"applied": True}

        editor.answers["workspace/applyEdit"] = apply
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        editor.engine.plans.append(EditPlan(CandidateId("one.1"), "x", operations))
        result = await editor.request("massgen/apply", run)
        agreed = answer == "Apply"
        assert result["applied"] is agreed
        assert (tmp_path / "made.py").exists() is agreed
        assert (tmp_path / "gone.py").exists() is not agreed
        assert bool(editor.all("workspace/applyEdit")) is agreed


async def test_a_file_is_never_replaced_under_unsaved_changes(tmp_path: Path) -> None:
    (tmp_path / "gone.py").write_bytes(b"x")
    async with talking(tmp_path, EGLOT) as editor:
        editor.engine.go.set()
        editor.open("gone.py", "x")
        editor.change("gone.py", 2, "x")
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        plan = EditPlan(CandidateId("one.1"), "x", (DeleteFile(path("gone.py"), b"x", 2),))
        editor.engine.plans.append(plan)
        result = await editor.request("massgen/apply", run)
        assert result["applied"] is False
        assert "save it" in result["reason"]
        assert (tmp_path / "gone.py").exists()


@pytest.mark.parametrize("operation", [PLAN[1], PLAN[0]], ids=["created", "renamed"])
async def test_nothing_is_put_where_a_file_appeared_meanwhile(
    tmp_path: Path, operation: Operation
) -> None:
    (tmp_path / "old.py").write_bytes(b"old\n")
    (tmp_path / operation.path).write_bytes(b"the user's\n")
    async with talking(tmp_path, VSCODE) as editor:
        editor.engine.go.set()
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        editor.engine.plans.extend([EditPlan(CandidateId("one.1"), "x", (operation,))] * 3)
        result = await editor.request("massgen/apply", run)
        assert result["applied"] is False
        assert "exists meanwhile" in result["reason"]
        assert editor.all("workspace/applyEdit") == []


async def test_an_edit_is_not_sent_for_a_version_that_is_gone(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as editor:
        editor.engine.go.set()
        editor.open("a.py", "old\n", version=7)
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        stale = EditText(path("a.py"), 6, "old\n", (Edit(0, 3, "bad"),))
        editor.engine.plans.append(EditPlan(CandidateId("one.1"), "x", (stale,)))
        number = editor.ask("massgen/apply", run)
        sent = await editor.told("workspace/applyEdit")
        (step,) = sent["edit"]["documentChanges"]
        assert step["textDocument"]["version"] == 7
        assert step["edits"][0]["newText"] == "new"
        asked = await editor.until(lambda m: m.get("method") == "workspace/applyEdit")
        editor.send(id=asked["id"], result={"applied": True})
        assert (await editor.reply(number))["applied"] is True


@pytest.mark.parametrize("why", ["Edits require version 1, you have 2", "the user said no"])
async def test_an_edit_that_met_untold_typing_lands_when_it_is_told(
    tmp_path: Path, why: str
) -> None:
    async with talking(tmp_path, VSCODE, deadlines=Deadlines(untold=0.05)) as editor:
        editor.engine.go.set()
        editor.open("a.py", "old\n")
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)

        def refuse(_: Any) -> Any:
            editor.answers["workspace/applyEdit"] = lambda _: {"applied": True}
            return {"applied": False, "failureReason": why}

        editor.answers["workspace/applyEdit"] = refuse
        number = editor.ask("massgen/apply", run)
        if "version" in why:
            await editor.told("window/showMessage", lambda p: "one.1 waits" in p["message"])
            editor.change("a.py", 2, "typed\nold\n")
        applied = await editor.reply(number)
        sent = [each["edit"]["documentChanges"][0] for each in editor.all("workspace/applyEdit")]
        versions = [step["textDocument"]["version"] for step in sent]
        lines = [step["edits"][0]["range"]["start"]["line"] for step in sent]
        told = "version" in why
        assert (applied["applied"], versions, lines) == (
            (True, [1, 2], [0, 1]) if told else (False, [1], [0])
        )


@pytest.mark.parametrize("answers", [True, False])
async def test_an_edit_that_is_sent_already_may_land_while_nobody_waits_for_it(
    tmp_path: Path, answers: bool
) -> None:
    (tmp_path / "gone.py").write_bytes(b"x")
    deadlines = Deadlines(late=20.0 if answers else 0.05)
    async with talking(tmp_path, EGLOT, deadlines=deadlines) as editor:
        editor.engine.go.set()
        editor.answers["window/showMessageRequest"] = lambda _: {"title": "Apply"}
        editor.open("a.py", "old\n")
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        both = (replace(PLAN[3], version=1), PLAN[6])  # the editor's part, and the disk's
        editor.engine.plans.append(EditPlan(CandidateId("one.1"), "x", both))
        number = editor.ask("massgen/apply", run)
        asked = await editor.until(lambda m: m.get("method") == "workspace/applyEdit")
        editor.notify("$/cancelRequest", {"id": number})
        if answers:
            editor.send(id=asked["id"], result={"applied": True})
            await editor.told("massgen/event", lambda p: p["kind"] == "delivered")
        else:
            with pytest.raises(ServerError, match="cancelled"):
                await editor.reply(number)
        assert (tmp_path / "gone.py").exists() is not answers


# ── forms and URIs ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "disk", "form"),
    [
        ("a\n", None, Form()),
        ("a\n", b"", Form()),
        ("a\nb\n", b"a\r\n", Form(hidden_crlf=True)),
        ("a\r\nb\n", b"a\r\n", Form()),
        ("a\n", b"a\r\nb\n", Form()),
        ("a", "\ufeffb".encode(), Form("utf-8-sig")),
        ("é", "é".encode("latin-1"), Form("latin-1")),
        ("é", "é".encode("utf-16"), Form("utf-16")),
    ],
)
def test_the_form_of_a_file_is_read_off_the_disk(text: str, disk: bytes | None, form: Form) -> None:
    assert form_of(text, disk) == form


@pytest.mark.parametrize(
    ("uri", "windows", "expected"),
    [
        ("file:///a/b%20c.py", False, "/a/b c.py"),
        ("FILE:///a", False, "/a"),
        ("file:/a", False, "/a"),
        ("file://localhost/a", False, "/a"),
        ("file:///a%23b#c?d", False, "/a#b#c?d"),
        ("file:///caf%C3%A9", False, "/café"),
        ("file:///bad%FF", False, "/bad\udcff"),
        ("file:///nul%00", False, None),
        ("file://server/share/a", False, None),
        ("file:a", False, None),
        ("untitled:Untitled-1", False, None),
        ("git:/a.py?x", False, None),
        ("file://[", False, None),
        ("", False, None),
        ("file:///c%3A/Users/x.py", True, "C:\\Users\\x.py"),
        ("file:///C:/Users/x.py", True, "C:\\Users\\x.py"),
        ("file://server/share/a", True, "\\\\server\\share\\a"),
    ],
)
def test_uris_of_real_editors_are_read(uri: str, windows: bool, expected: str | None) -> None:
    assert uris.to_path(uri, windows=windows) == expected


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw))
def test_every_posix_path_survives_as_a_uri(raw: bytes) -> None:
    name = "/" + raw.decode("utf-8", "surrogateescape").lstrip("/")
    assert uris.to_path(uris.from_path(name, windows=False), windows=False) == name


@pytest.mark.parametrize("name", ["a.py", "dir/ü #?.py", "a/b/c"])
def test_virtual_documents_are_found_again(name: str) -> None:
    assert uris.parse_virtual(uris.virtual("run-1", "one.1", name)) == ("run-1", "one.1", name)
    assert uris.parse_virtual(uris.virtual_patch("run-1", "one.1")) == ("run-1", "one.1", "")
