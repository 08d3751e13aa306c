"""What editors with a face of their own ask for: pickers, check outputs, previews, lenses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.events import CheckFinished
from massgen_ls.core.task import RunId
from massgen_ls.testing.editor import ServerError
from tests.lsp.editor import EGLOT, NEOVIM, VSCODE, talking


async def test_a_picker_learns_what_is_configured(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        team = await client.request("massgen/team", {})
        assert team["agents"] == [{"id": "one", "type": "fake"}]
        assert (team["checks"], team["mode"]) == (["tests"], "best_of_n")
        assert team["source"] == f"the desk of {tmp_path}"
        (tmp_path / "other").mkdir()
        other = await client.command("massgen.team", {"folder": (tmp_path / "other").as_uri()})
        assert other["source"].endswith("/other")
        with pytest.raises(ServerError, match="`folder`"):
            await client.request("massgen/team", {"folders": "x"})


async def test_the_output_of_a_check_is_that_of_its_last_look(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x", "checks": ["tests"]})
        id_ = RunId(run["runId"])
        await client.told("massgen/event", lambda e: e["kind"] == "agent_acted")
        tree = TreeId("t1")
        looks = (("base", TreeId("t0"), 0), ("first", tree, 0), ("second", tree, 1))
        for name, where, repeat in looks:
            result = CheckResult("tests", where, "failed", ("a",), 1, 0.5, f"{name} look")
            client.engine.happen(id_, CheckFinished(result, repeat))
        client.engine.go.set()
        winner = (await client.request("massgen/wait", run))["verdict"]["winner"]
        read = await client.request(
            "massgen/read", {**run, "candidateId": winner, "check": "tests"}
        )
        assert read == {
            "check": "tests",
            "outcome": "failed",
            "seconds": 0.5,
            "failures": ["a"],
            "text": "second look",
        }
        base = await client.request("massgen/read", {**run, "check": "tests"})
        assert base["text"] == "base look"
        with pytest.raises(ServerError, match=r"There are: tests"):
            await client.request("massgen/read", {**run, "check": "lint"})


@pytest.mark.parametrize(("profile", "confirmed"), [(VSCODE, True), (EGLOT, False)])
async def test_a_preview_asks_for_each_change_where_that_can_be_shown(
    tmp_path: Path, profile: Any, confirmed: bool
) -> None:
    (tmp_path / "a.py").write_text("old\n")
    async with talking(tmp_path, profile) as client:
        client.open("a.py", "old\n")
        client.answers["workspace/applyEdit"] = lambda _: {"applied": True}
        run = await client.request("massgen/run", {"prompt": "x"})
        client.engine.go.set()
        await client.request("massgen/wait", run)
        for preview in (False, True):
            await client.request("massgen/apply", {**run, "preview": preview})
            edit = client.all("workspace/applyEdit")[-1]["edit"]
            asked = [a["needsConfirmation"] for a in edit.get("changeAnnotations", {}).values()]
            assert any(asked) is (preview and confirmed)


async def test_every_task_comment_has_a_lens_that_starts_it(tmp_path: Path) -> None:
    async with talking(tmp_path, NEOVIM) as client:
        client.open(
            "a.py", "import os\n# massgen: tidy this\n#   up\nx = 1\n\n# massgen: and this\n"
        )
        document = {"textDocument": {"uri": client.uri("a.py")}}
        lenses = await client.request("textDocument/codeLens", document)
        assert [lens["range"]["start"]["line"] for lens in lenses] == [1, 5]
        first = lenses[0]["command"]
        assert (first["command"], first["arguments"][0]["apply"]) == ("massgen.run", "ask")
        assert first["arguments"][0]["prompt"].startswith("tidy this up\n")
        assert first["arguments"][0]["scope"]["range"]["end"] == {"line": 3, "character": 0}
        client.open("b.py", "x = 1\n")
        other = {"textDocument": {"uri": client.uri("b.py")}}
        assert await client.request("textDocument/codeLens", other) == []


async def test_all_texts_of_a_candidate_come_at_once(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        client.engine.contents[("one.1", "a.py")] = b"new\n"
        client.engine.contents[("one.1", "b.png")] = b"\0\1"
        client.engine.contents[("base", "a.py")] = b"old\n"
        one = {**run, "candidateId": "one.1", "texts": True}
        read = await client.request("massgen/read", one)
        assert read == {"texts": {"a.py": "new\n", "b.png": None}}
        with pytest.raises(ServerError, match="candidateId"):
            await client.request("massgen/read", {**run, "texts": True})
