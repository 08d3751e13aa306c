"""Editors that leave out what the protocol has, or answer nothing: the run still ends well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massgen_ls.core.changes import RelPath
from massgen_ls.core.plan import CreateFile, EditPlan
from massgen_ls.core.task import CandidateId
from massgen_ls.lsp.files.livefiles import Deadlines
from tests.lsp.editor import EGLOT, PROFILES, VSCODE, Object, talking

QUICK = Deadlines(answer=0.3, question=0.3)
profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


async def test_a_question_that_is_never_answered_stops_nothing(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.engine.go.set()
        run = await client.request("massgen/run", {"prompt": "x", "apply": "ask"})
        await client.told("window/showMessageRequest")
        assert (await client.request("massgen/wait", run))["verdict"]["outcome"] == "won"
    assert client.exit_code == 0
    assert client.engine.left


@profiles
async def test_an_edit_that_is_never_answered_counts_when_the_documents_show_it(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    async with talking(tmp_path, profile, deadlines=QUICK) as client:
        client.engine.go.set()
        client.open("a.py", "old\n")
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        number = client.ask("massgen/apply", run)
        await client.told("workspace/applyEdit")
        client.change("a.py", 2, "new\n")
        assert (await client.reply(number))["applied"] is True


async def test_an_edit_that_nobody_answers_or_shows_is_reported_as_such(tmp_path: Path) -> None:
    async with talking(tmp_path, EGLOT, deadlines=QUICK) as client:
        client.engine.go.set()
        client.open("a.py", "old\n")
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        answer = await client.request("massgen/apply", run)
        assert answer["applied"] is False
        assert "did not say" in answer["reason"]
        assert (await client.request("massgen/list"))["runs"]


async def test_a_diff_that_an_editor_never_shows_is_told(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE, deadlines=Deadlines(document=0.05)) as client:
        client.engine.go.set()
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        diff = (await client.command("massgen.compare", run))["diff"]
        assert client.all("window/showDocument")
        assert [logged["message"] for logged in client.all("window/logMessage")] == [diff]
        await client.told("window/showMessage", lambda p: diff in p["message"])


async def test_an_answer_that_comes_before_the_change_is_believed(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.engine.go.set()
        client.open("a.py", "old\n")
        client.answers["workspace/applyEdit"] = lambda _: {"applied": True}
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        answer = await client.request("massgen/apply", run)
        assert answer["applied"] is True
        assert answer["conflicts"] == []


async def test_a_client_that_answers_an_edit_with_an_error_is_told_so(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.engine.go.set()
        client.open("a.py", "old\n")
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        number = client.ask("massgen/apply", run)
        asked = await client.until(lambda m: m.get("method") == "workspace/applyEdit")
        client.send(id=asked["id"], error={"code": -32603, "message": "editor is cross"})
        client.send(id=asked["id"], result={"applied": True})  # and says more than it should
        answer = await client.reply(number)
        assert (answer["applied"], answer["reason"]) == (False, "editor is cross")


async def test_an_editor_that_knows_no_questions_tells_of_the_winner_and_offers_it(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.engine.go.set()
        client.open("a.py", "old\n")
        await client.request("massgen/run", {"prompt": "x", "apply": "ask"})
        asked = await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        error = {"code": -32601, "message": "Method not found: window/showMessageRequest"}
        client.send(id=asked["id"], error=error)
        await client.told("window/showMessage", lambda p: "apply one.1” is among" in p["message"])
        start = {"line": 0, "character": 0}
        actions = await client.request(
            "textDocument/codeAction",
            {
                "textDocument": {"uri": client.uri("a.py")},
                "range": {"start": start, "end": start},
                "context": {"diagnostics": []},
            },
        )
        # Nobody can be asked about them later, so the action says it.
        assert "massgen: apply one.1, binary files on the disk (x)" in [a["title"] for a in actions]


@pytest.mark.parametrize("does", [True, False])
async def test_an_editor_that_makes_no_folders_finds_them_made(tmp_path: Path, does: bool) -> None:
    greeting: Object = {
        "clientInfo": {"name": "Sublime Text LSP", "version": "2.13.0"},
        "workspaceFolders": [{"uri": tmp_path.as_uri(), "name": "root"}],
        "capabilities": VSCODE,
    }
    made = tmp_path / "pkg" / "deep" / "made.py"
    async with talking(tmp_path, VSCODE, greeting=greeting) as client:
        client.engine.go.set()
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        path = RelPath("pkg/deep/made.py")
        plan = EditPlan(CandidateId("one.1"), "x", (CreateFile(path, b"made\n", "made\n"),))
        client.engine.plans.append(plan)

        def create(_: Any) -> Any:
            if does:
                made.open("x").close()  # as that editor does
            return {"applied": does, "failureReason": "" if does else "the user is cross"}

        client.answers["workspace/applyEdit"] = create
        applied = await client.request("massgen/apply", run)
        assert (applied["applied"], made.exists(), (tmp_path / "pkg").exists()) == (does,) * 3
