"""The room as editors see it: three profiles, and clients that behave badly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.core.errors import StorageError
from massgen_ls.core.text import Encoding, LineIndex, Position, Range, apply_change
from massgen_ls.lsp.capabilities import resolve
from massgen_ls.testing.editor import ServerError
from tests.lsp.editor import EGLOT, NEOVIM, PROFILES, VSCODE, Client, talking

TEXT = "first\n\u2028é𝒳 old\nlast\n"
profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


def buffer(client: Client, capabilities: dict[str, Any], path: str, text: str) -> dict[str, str]:
    """Opens a document and applies what the server sends, as that editor does."""
    client.open(path, text)
    shown = {"text": text, "version": 1}
    encoding = Encoding(resolve({"capabilities": capabilities}).encoding)

    def apply(params: Any) -> Any:
        edit = params["edit"]
        steps = edit.get("documentChanges") or [
            {"textDocument": {"uri": uri, "version": None}, "edits": edits}
            for uri, edits in edit["changes"].items()
        ]
        for step in steps:
            assert step["textDocument"]["version"] in {None, shown["version"]}
            for each in reversed(step["edits"]):
                start, end = each["range"]["start"], each["range"]["end"]
                where = Range(Position(**start), Position(**end))
                shown["text"] = apply_change(shown["text"], where, each["newText"], encoding)
        shown["version"] += 1
        client.change(path, shown["version"], shown["text"])
        return {"applied": True}

    client.answers["workspace/applyEdit"] = apply
    return shown


@profiles
async def test_the_winner_lands_with_positions_in_the_clients_own_units(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    async with talking(tmp_path, profile) as client:
        client.engine.go.set()
        shown = buffer(client, profile, "a.py", TEXT)
        run = await client.request("massgen/run", {"prompt": "x", "apply": "auto"})
        settled = await client.request("massgen/wait", run)
        assert settled["kind"] == "run_settled"
        assert settled["verdict"]["winner"] == "one.1"
        await client.told("massgen/event", lambda p: p["kind"] == "delivered")
        assert shown["text"] == TEXT.replace("old", "new")
        (taken,) = client.engine.started[0][2]
        assert (taken.path, taken.text) == (str(tmp_path / "a.py"), TEXT)


async def test_what_the_user_makes_of_it_is_seen_when_they_save(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.engine.go.set()
        shown = buffer(client, VSCODE, "a.py", TEXT)
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        await client.request("massgen/apply", run)
        document = {"uri": (tmp_path / "a.py").as_uri()}
        version = 10
        for text, fate in (
            (shown["text"], None),
            (shown["text"].replace("new", "other"), "edited"),
            (TEXT, "undone"),
            ("top\n" + shown["text"], "kept"),
        ):
            version += 1
            client.notify(
                "textDocument/didChange",
                {
                    "textDocument": {**document, "version": version},
                    "contentChanges": [{"text": text}],
                },
            )
            client.notify("textDocument/didSave", {"textDocument": document})
            if fate is not None:
                told = await client.told("massgen/event", lambda p: p["kind"] == "revised")
                client.heard.clear()
                assert (told["run"], told["candidate"], told["fate"]) == (
                    run["runId"],
                    "one.1",
                    fate,
                )


@profiles
async def test_asking_shows_the_diff_and_then_applies(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    picks = iter(["Show diff", "Apply"])
    async with talking(tmp_path, profile) as client:
        client.engine.go.set()
        shown = buffer(client, profile, "a.py", "old\n")
        client.answers["window/showMessageRequest"] = lambda _: {"title": next(picks)}
        client.answers["window/showDocument"] = lambda _: {"success": True}
        await client.request("massgen/run", {"prompt": "x", "apply": "ask"})
        await client.told("massgen/event", lambda p: p["kind"] == "delivered")
        assert shown["text"] == "new\n"
        assert len(client.all("window/showMessageRequest")) == 2


@pytest.mark.parametrize("how", ["massgen/cancel", "progress", "$/cancelRequest"])
async def test_cancel_comes_three_ways_and_ends_in_one(tmp_path: Path, how: str) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.answers["window/workDoneProgress/create"] = lambda _: None
        run = await client.request("massgen/run", {"prompt": "x"})
        number = client.ask(
            "workspace/executeCommand", {"command": "massgen.wait", "arguments": [run]}
        )
        if how == "massgen/cancel":
            assert await client.request("massgen/cancel", run) == {"cancelled": True}
        elif how == "progress":
            begun = await client.told("$/progress", lambda p: p["value"]["kind"] == "begin")
            client.notify("window/workDoneProgress/cancel", {"token": begun["token"]})
        else:
            client.notify("$/cancelRequest", {"id": number})
            with pytest.raises(ServerError, match="cancelled") as caught:
                await client.reply(number)
            assert caught.value.code == -32800
        event = await client.told("massgen/event", lambda p: p["kind"] == "run_settled")
        assert event["verdict"]["outcome"] == "cancelled"
        assert len(client.engine.cancelled) == 1


async def test_a_request_that_is_cancelled_twice_is_answered_once(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        number = client.ask("massgen/wait", run)
        client.notify("$/cancelRequest", {"id": number})
        client.notify("$/cancelRequest", {"id": number})
        client.notify("$/cancelRequest", {"id": 10**6})
        with pytest.raises(ServerError, match="cancelled"):
            await client.reply(number)
        await client.request("massgen/list")
        assert sum(m.get("id") == number for m in client.heard) == 1


async def test_progress_frees_its_token_and_honours_the_clients(tmp_path: Path) -> None:
    async with talking(tmp_path, NEOVIM) as client:
        run = await client.request("massgen/run", {"prompt": "x", "workDoneToken": "mine"})
        await client.told("$/progress", lambda p: "one: edit a.py" in p["value"].get("message", ""))
        client.engine.go.set()
        await client.request("massgen/wait", run)
        await client.told("$/progress", lambda p: p["value"]["kind"] == "end")
        tokens = {p["token"] for p in client.all("$/progress")}
        assert tokens == {"mine"}
        assert not client.all("window/workDoneProgress/create")
        client.notify("window/workDoneProgress/cancel", {"token": "mine"})
        await client.request("massgen/list")
        assert client.engine.cancelled == []


async def test_without_progress_the_start_and_the_end_are_messages(tmp_path: Path) -> None:
    async with talking(tmp_path, EGLOT) as client:
        await client.request("massgen/run", {"prompt": "tidy up"})
        await client.told("window/showMessage", lambda p: "one agent at work" in p["message"])
        client.engine.go.set()
        await client.told("window/showMessage", lambda p: "one.1 won" in p["message"])


async def test_live_output_comes_only_to_those_who_want_it(tmp_path: Path) -> None:
    async with talking(tmp_path, NEOVIM, options={"events": "all"}) as client:
        run = (await client.request("massgen/run", {"prompt": "x"}))["runId"]
        for number in range(3000):
            client.engine.chatter(run, f"line {number}\n")
        delta = await client.told("massgen/event", lambda p: p["kind"] == "delta")
        assert delta["text"].endswith("line 2047\n"), "the queue keeps noise to its half"
        assert delta["dropped"] > 0
    async with talking(tmp_path, NEOVIM) as client:
        run = (await client.request("massgen/run", {"prompt": "x"}))["runId"]
        client.engine.chatter(run, "noise")
        client.engine.go.set()
        await client.told("massgen/event", lambda p: p["kind"] == "run_settled")
        assert "delta" not in {p["kind"] for p in client.all("massgen/event")}


async def test_candidates_are_readable(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.engine.go.set()
        client.engine.contents[("one.1", "dir/a b.py")] = "héllo\n".encode()
        client.engine.contents[("base", "blob")] = b"\0\1"
        client.answers["window/showDocument"] = lambda _: {"success": True}
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        whole = await client.request("massgen/read", run)
        page = (await client.request("massgen/read", {**run, "format": "markdown"}))["text"]
        assert page.startswith("# won: ")
        steps = whole["explanation"]["steps"]
        assert steps
        assert all(step in page for step in steps)
        assert whole["candidates"][0]["diff"].endswith("+new\n")
        assert whole["candidates"][0]["files"][0]["path"] == "a.py"
        one = {**run, "candidateId": "one.1", "path": "dir/a b.py"}
        assert (await client.request("massgen/read", one))["text"] == "héllo\n"
        base = {**run, "candidateId": "base", "path": "blob"}
        assert (await client.request("massgen/read", base))["text"] is None
        for uri in ("massgen:/run-1/one.1/dir/a%20b.py", "massgen:///run-1/one.1/dir/a%20b.py"):
            content = await client.request("workspace/textDocumentContent", {"uri": uri})
            assert content["text"] == "héllo\n"
        diff = await client.command("massgen.compare", run)
        content = await client.request("workspace/textDocumentContent", {"uri": diff["uri"]})
        assert content["text"] == diff["diff"]
        assert not client.all("window/logMessage")
        with pytest.raises(ServerError, match="no massgen document"):
            await client.request("workspace/textDocumentContent", {"uri": "massgen:nonsense"})


# ── folders and scopes ──────────────────────────────────────────────────────────────────────────


async def test_the_folder_of_a_run_is_the_one_that_holds_the_document(tmp_path: Path) -> None:
    for name in ("one", "one/inner", "two"):
        (tmp_path / name).mkdir()
    folders = [{"uri": (tmp_path / n).as_uri(), "name": n} for n in ("one", "two", "one/inner")]
    greeting = {"capabilities": VSCODE, "workspaceFolders": folders}
    async with talking(tmp_path, VSCODE, greeting=greeting) as client:

        async def where(scope: Any, **more: Any) -> tuple[str, str | None]:
            await client.request("massgen/run", {"prompt": "x", "scope": scope, **more})
            spec, folder, _ = client.engine.started[-1]
            return Path(folder).relative_to(tmp_path).as_posix(), spec.task.scope.path

        def at(path: str) -> Any:
            return {"textDocument": {"uri": client.uri(path)}}

        assert await where(at("two/x/y.py")) == ("two", "x/y.py")
        assert await where(at("one/inner/z.py")) == ("one/inner", "z.py")
        assert await where(None) == ("one", None)
        assert await where(None, folder=client.uri("two")) == ("two", None)
        assert await where(None, folder=str(tmp_path / "two")) == ("two", None)
        with pytest.raises(ServerError, match="lies outside"):
            await where(at("elsewhere/a.py"))
        client.notify(
            "workspace/didChangeWorkspaceFolders",
            {"event": {"added": [], "removed": [folders[0]]}},
        )
        assert await where(None) == ("two", None)


async def test_a_selection_becomes_whole_lines_and_never_passes_the_end(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        uri = client.open("a.py", "1\n2\n3\n")

        async def lines(first: int, last: int, character: int = 1) -> tuple[int, int]:
            where = {
                "start": {"line": first, "character": 0},
                "end": {"line": last, "character": character},
            }
            scope = {"textDocument": {"uri": uri}, "range": where}
            await client.request("massgen/run", {"prompt": "x", "scope": scope})
            found = client.engine.started[-1][0].task.scope.lines
            assert found is not None
            return found.first, found.last

        assert await lines(0, 1) == (1, 2)
        assert await lines(0, 2, 0) == (1, 2)
        assert await lines(2, 0) == (1, 2), "a reversed range is turned round"
        assert await lines(10**6, 10**6) == (4, 4)


async def test_what_is_no_file_and_what_is_on_the_disk_already_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "same.py").write_bytes(b"same\r\n")
    (tmp_path / "bom.py").write_bytes("\ufeffx\n".encode())
    (tmp_path / ".git").mkdir()
    async with talking(tmp_path, EGLOT) as client:
        client.open("same.py", "same\n")  # Emacs shows LF for a file with CRLF
        client.open("bom.py", "y\n")
        client.open(".git/COMMIT_EDITMSG", "wip\n")
        for uri in ("untitled:Untitled-1", "git:/a.py", "file://elsewhere/a.py", "nonsense"):
            item = {"uri": uri, "languageId": "x", "version": 1, "text": "t"}
            client.notify("textDocument/didOpen", {"textDocument": item})
        await client.request("massgen/run", {"prompt": "x"})
        (sent,) = client.engine.started[0][2]
        assert (sent.path, sent.encoding) == (str(tmp_path / "bom.py"), "utf-8-sig")


# ── code actions ────────────────────────────────────────────────────────────────────────────────


@profiles
async def test_actions_are_commands_that_start_what_they_say(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    async with talking(tmp_path, profile) as client:
        uri = client.open("a.py", "x = 1\n# massgen: rename x\n# to y\nold\n")
        where = {"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 3}}
        problem = {"range": where, "message": "x is a bad name", "source": "lint", "code": 7}
        params = {
            "textDocument": {"uri": uri},
            "range": where,
            "context": {"diagnostics": [problem]},
        }
        actions = await client.request("textDocument/codeAction", params)
        titles = [a["title"] for a in actions]
        assert titles[:2] == ["massgen: fix 'x is a bad name (lint)'", "massgen: rename x to y"]
        assert len(titles) == 5
        literal = "codeActionLiteralSupport" in profile["textDocument"]["codeAction"]
        commands = [a["command"] if literal else a for a in actions]
        assert client.engine.started == []
        for command in commands:
            await client.request("workspace/executeCommand", command)
        scopes = [spec.task.scope for spec, _, _ in client.engine.started]
        assert scopes[0].diagnostics[0].code == "7"
        assert scopes[0].diagnostics[0].line == 2
        assert all(s.lines is not None and (s.lines.first, s.lines.last) == (2, 3) for s in scopes)
        if literal:
            params["context"] = {"diagnostics": [], "only": ["refactor"]}
            some = await client.request("textDocument/codeAction", params)
            assert {a["kind"] for a in some} == {"refactor.rewrite"}


async def test_a_settled_run_offers_apply_compare_and_discard(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.engine.go.set()
        uri = client.open("a.py", "old\n")
        run = await client.request("massgen/run", {"prompt": "x"})
        await client.request("massgen/wait", run)
        nowhere = {"line": 0, "character": 0}
        params = {
            "textDocument": {"uri": uri},
            "range": {"start": nowhere, "end": nowhere},
            "context": {"diagnostics": []},
        }
        actions = await client.request("textDocument/codeAction", params)
        names = [a["command"]["command"] for a in actions]
        assert names == ["massgen.apply", "massgen.compare", "massgen.discard"]
        assert "disabled" not in await client.request("codeAction/resolve", actions[0])
        await client.request("workspace/executeCommand", actions[2]["command"])
        stale = await client.request("codeAction/resolve", actions[0])
        assert stale["disabled"]["reason"]
        assert await client.request("textDocument/codeAction", params) == []


# ── bad input ───────────────────────────────────────────────────────────────────────────────────

BAD = [
    ("massgen/run", {"promt": "x"}, -32602, r"`prompt` is missing. Is `promt` meant"),
    ("massgen/run", {"prompt": "x", "scop": {}}, -32602, "Did you mean `scope`"),
    ("massgen/run", {"prompt": "x", "mode": "consensu"}, -32602, "Did you mean `consensus`"),
    ("massgen/run", {"prompt": 3}, -32602, "`prompt` must be text, not a number"),
    ("massgen/run", ["x"], -32602, "one object, not a list"),
    ("massgen/run", None, -32602, "one object, not nothing"),
    ("massgen/run", {"prompt": "x", "scope": {"range": {}}}, -32602, "needs a `start`"),
    ("massgen/run", {"prompt": "x", "folder": "rel"}, -32602, "no folder"),
    ("massgen/run", {"prompt": "x", "folder": "/no/such"}, -32803, "There is no folder"),
    (
        "massgen/run",
        {"prompt": "x", "scope": {"textDocument": {"uri": "untitled:1"}}},
        -32602,
        "is not a file",
    ),
    (
        "massgen/run",
        {
            "prompt": "x",
            "scope": {
                "textDocument": {"uri": "file:///a"},
                "range": {
                    "start": {"line": -1, "character": 0},
                    "end": {"line": 0, "character": 0},
                },
            },
        },
        -32602,
        "counted from 0",
    ),
    ("massgen/wait", {"runId": "nope"}, -32803, "There is no run 'nope'"),
    ("massgen/apply", {"runId": "x", "hunks": {"a": [-1]}}, -32602, "numbers from 0"),
    ("massgen/nothing", {}, -32601, "there is no massgen/nothing"),
    ("textDocument/codeAction", {"range": 3}, -32602, "textDocument/codeAction"),
    ("workspace/executeCommand", {"command": "massgen.rum"}, -32602, "massgen.run"),
    ("workspace/executeCommand", {"command": 3}, -32602, "must be text"),
    ("workspace/executeCommand", {"command": "massgen.run", "arguments": [1, 2]}, -32602, "one"),
    ("initialize", {}, -32602, "initialized already"),
]


async def test_bad_input_is_answered_in_words(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        for method, params, code, words in BAD:
            with pytest.raises(ServerError, match=words) as caught:
                await client.request(method, params)
            assert caught.value.code == code, method
        assert "Traceback" not in json.dumps(client.heard)


async def test_broken_messages_do_not_end_the_conversation(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        for body in (
            b"",
            b"[]",
            b"{",
            b"\xff",
            b"[" * 100_000,
            b'{"jsonrpc":"2.0"}',
            b'{"jsonrpc":"2.0","id":null,"method":"massgen/list"}',
            b'{"jsonrpc":"2.0","id":"x","method":7}',
            b'{"jsonrpc":"2.0","id":"gone","result":1}',
            b'{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":3}}',
            b'{"jsonrpc":"2.0","method":"textDocument/didChange","params":null}',
            b'{"jsonrpc":"2.0","method":"$/cancelRequest","params":[[]]}',
            b'{"jsonrpc":"2.0","method":"no/such"}',
        ):
            client.raw(body)
        unknown = {"uri": client.uri("never.py"), "version": 3}
        client.notify(
            "textDocument/didChange",
            {"textDocument": unknown, "contentChanges": [{"text": "x"}]},
        )
        client.notify("textDocument/didClose", {"textDocument": {"uri": client.uri("never.py")}})
        assert await client.request("massgen/list") == {"runs": []}


async def test_a_payload_that_looks_like_a_message_is_a_payload(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        trap = {"jsonrpc": "2.0", "id": 1, "method": "exit"}
        with pytest.raises(ServerError, match="does not know `extra`"):
            await client.request("massgen/run", {"prompt": "x", "extra": trap})
        assert await client.request("massgen/list") == {"runs": []}


async def test_half_a_surrogate_pair_harms_nobody(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.open("a.py", "x = '\ud83d'\n")
        await client.request("massgen/run", {"prompt": "fix \ud83d"})
        spec, _, (sent,) = client.engine.started[0]
        assert (spec.task.prompt, sent.text) == ("fix \ufffd", "x = '\ufffd'\n")


async def test_an_engine_that_cannot_start_is_said_at_every_request(tmp_path: Path) -> None:
    problem = StorageError("The cache folder is full", "Make room in it.")
    async with talking(tmp_path, VSCODE, broken=problem) as client:
        await client.told("window/showMessage", lambda p: "full" in p["message"])
        with pytest.raises(ServerError, match="Make room"):
            await client.request("massgen/run", {"prompt": "x"})
    assert client.exit_code == 0


async def test_after_shutdown_requests_are_refused_and_runs_are_gone(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        waiting = client.ask("massgen/wait", run)
        assert await client.request("shutdown") is None
        with pytest.raises(ServerError, match="cancelled"):
            await client.reply(waiting)
        with pytest.raises(ServerError, match="shutting down"):
            await client.request("massgen/list")
        client.notify("exit")
    assert client.exit_code == 0
    assert client.engine.left
    assert client.engine.cancelled == [("run-1", "shutdown")]


@pytest.mark.parametrize("how", ["exit", "end of input"])
async def test_leaving_without_a_word_cancels_the_runs(tmp_path: Path, how: str) -> None:
    async with talking(tmp_path, VSCODE) as client:
        await client.request("massgen/run", {"prompt": "x"})
        if how == "exit":
            client.notify("exit")
        else:
            client.inbox.put_nowait(None)
    assert client.exit_code == 1
    assert client.engine.left


async def test_incremental_changes_end_lines_where_the_protocol_does(tmp_path: Path) -> None:
    text = "a\x0cb\u2028c\r\nd\re\n"
    async with talking(tmp_path, VSCODE) as client:
        uri = client.open("a.py", text)
        assert len(LineIndex(text).starts) == 4
        change = {
            "range": {
                "start": {"line": 2, "character": 0},
                "end": {"line": 2, "character": 99},
            },
            "text": "E",
        }
        client.notify(
            "textDocument/didChange",
            {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [change]},
        )
        await client.request("massgen/run", {"prompt": "x"})
        assert client.engine.started[0][2][0].text == "a\x0cb\u2028c\r\nd\rE\n"
