"""`$/setTrace` and `$/logTrace`, and keys in what is told to the editor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lsp.editor import VSCODE, talking

KEY = "planted-value-123"


async def test_messages_are_traced_when_the_editor_wants_it_and_no_longer(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        await client.request("massgen/list", {})
        assert client.all("$/logTrace") == []
        client.notify("$/setTrace", {"value": "messages"})
        await client.request("massgen/list", {})
        told = [entry["message"] for entry in client.all("$/logTrace")]
        assert "received the request massgen/list, 2" in told
        assert told[-1] == "sent the answer to 2"
        assert all("verbose" not in entry for entry in client.all("$/logTrace"))
        client.notify("$/setTrace", {"value": "off"})
        await client.request("massgen/list", {})
        later = [entry["message"] for entry in client.all("$/logTrace")][len(told) :]
        assert later == ["received the notification $/setTrace"]


async def test_a_trace_from_the_beginning_has_bodies_but_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", KEY)
    greeting = {
        "capabilities": VSCODE,
        "workspaceFolders": [{"uri": tmp_path.as_uri(), "name": "root"}],
        "trace": "verbose",
    }
    async with talking(tmp_path, VSCODE, greeting=greeting) as client:
        client.open("a.py", f"key = '{KEY}'\n" + "x" * 20_000)
        await client.request("massgen/list", {})
        traced = client.all("$/logTrace")
        (opened,) = [e for e in traced if e["message"].endswith("textDocument/didOpen")]
        assert "key = '[SOME_API_KEY]'" in opened["verbose"]
        assert len(opened["verbose"]) < 9_000
        assert KEY not in str(traced)
        # The request of a value that makes no sense changes nothing.
        client.notify("$/setTrace", {"value": "loud"})
        await client.request("massgen/list", {})
        assert len(client.all("$/logTrace")) > len(traced)


async def test_verbose_can_be_asked_for_later(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.notify("$/setTrace", {"value": "verbose"})
        await client.request("massgen/list", {"limit": 3})
        (heard,) = [
            e for e in client.all("$/logTrace") if e["message"].startswith("received the request")
        ]
        assert heard["verbose"] == '{"limit": 3}'
