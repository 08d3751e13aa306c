"""The editor's settings and open texts come with every wish: asked for, sent, or sent up front."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.config import Beside, load
from massgen_ls.core.task import Scope
from massgen_ls.lsp.desk import EditorView
from massgen_ls.wiring import ConfiguredDesk
from tests.lsp.editor import VSCODE, Client, talking

CI = {"profile": "ci"}


def asking(**settings: Any) -> dict[str, Any]:
    """VS Code, which answers questions for settings."""
    return {**VSCODE, "workspace": {**VSCODE["workspace"], "configuration": True}}


async def wish(client: Client) -> EditorView:
    await client.request("massgen/run", {"prompt": "x"})
    return client.desk.view


async def test_settings_are_asked_for_with_every_wish(tmp_path: Path) -> None:
    asked: list[Any] = []

    def answer(params: Any) -> Any:
        asked.append(params["items"])
        return [{"profile": f"p{len(asked)}"}]

    async with talking(tmp_path, asking()) as client:
        client.answers["workspace/configuration"] = answer
        assert (await wish(client)).settings == {"profile": "p1"}
        assert (await wish(client)).settings == {"profile": "p2"}
    assert asked[0] == [{"scopeUri": tmp_path.as_uri(), "section": "massgen"}]


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        ({"massgen": CI}, CI),
        (CI, CI),
        ({"massgen": None}, {}),
        ({"python": {}}, {"profile": "first"}),
        (None, {"profile": "first"}),
        ([], {"profile": "first"}),
    ],
)
async def test_an_editor_that_is_not_asked_sends_them(
    sent: object, known: Mapping[str, object], tmp_path: Path
) -> None:
    options = {"settings": {"profile": "first"}}
    async with talking(tmp_path, VSCODE, options=options) as client:
        assert (await wish(client)).settings == {"profile": "first"}
        client.notify("workspace/didChangeConfiguration", {"settings": sent})
        assert (await wish(client)).settings == known


@pytest.mark.parametrize("answered", [[None], [], None, ["x"]])
async def test_an_answer_that_says_nothing_leaves_what_was_sent(
    answered: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, asking(), options={"settings": CI}) as client:
        client.answers["workspace/configuration"] = lambda _: answered
        assert (await wish(client)).settings == CI


async def test_open_texts_come_along_saved_or_not(tmp_path: Path) -> None:
    file = tmp_path / "massgen.yaml"
    async with talking(tmp_path, VSCODE) as client:
        document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": "checks: []"}
        client.notify("textDocument/didOpen", {"textDocument": document})
        assert (await wish(client)).texts == {str(file): "checks: []"}


def test_a_desk_takes_the_open_text_and_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = tmp_path / "massgen.yaml"
    file.write_text("agents: [tidy]")
    text = "agents: [bold]\nprofiles: {ci: {orchestrator: {timeout: 7}}}\n"
    desk = ConfiguredDesk(None)
    view = EditorView(CI, {str(file): text})
    spec = desk.make_spec(str(tmp_path), "x", Scope(), None, None, None, "none", view)
    assert ([a.id for a in spec.agents], spec.rules.run_timeout) == (["bold"], 7)
    assert desk.team(str(tmp_path), view).agents == (("bold", "command"),)
    assert [a.id for a in load(tmp_path, beside=Beside()).agents] == ["tidy"]
