"""Which of several open folders a run works in, and who is told or asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.lsp.files.livefiles import Deadlines
from massgen_ls.testing.editor import ServerError
from tests.lsp.editor import PROFILES, VSCODE, Client, talking

profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


@asynccontextmanager
async def opened(
    root: Path, profile: dict[str, Any], *names: str, repositories: bool = True
) -> AsyncIterator[Client]:
    for name in names:
        (root / name / (".git" if repositories else "")).mkdir(parents=True, exist_ok=True)
    folders = [{"uri": (root / name).as_uri(), "name": name} for name in names]
    greeting = {"capabilities": profile, "workspaceFolders": folders}
    deadlines = Deadlines(question=0.3)
    async with talking(root, profile, greeting=greeting, deadlines=deadlines) as client:
        yield client


def pick(client: Client, title: str | None) -> None:
    def answer(params: Any) -> Any:
        titles = [action["title"] for action in params["actions"]]
        return {"title": title} if title in titles else None

    client.answers["window/showMessageRequest"] = answer


def started_in(client: Client, root: Path) -> list[str]:
    return [Path(f).relative_to(root).as_posix() for _, f, _ in client.engine.started]


def notices(client: Client) -> list[str]:
    said = [p["message"] for p in client.all("window/showMessage")]
    return [message for message in said if "the team works in" in message]


@profiles
async def test_a_plain_client_s_user_is_asked(tmp_path: Path, profile: dict[str, Any]) -> None:
    async with opened(tmp_path, profile, "one", "two") as client:
        pick(client, "two")
        await client.command("massgen.run", {"prompt": "x"})
        assert started_in(client, tmp_path) == ["two"]
        (asked,) = client.all("window/showMessageRequest")
        assert [action["title"] for action in asked["actions"]] == ["one", "two"]
        assert notices(client) == []


@profiles
async def test_nothing_is_started_when_nobody_chooses(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    async with opened(tmp_path, profile, "one", "two") as client:
        with pytest.raises(ServerError, match="No folder was chosen"):  # never answered
            await client.command("massgen.run", {"prompt": "x"})
        pick(client, None)
        with pytest.raises(ServerError, match="No folder was chosen"):
            await client.command("massgen.run", {"prompt": "x"})
        assert client.engine.started == []


@profiles
async def test_a_client_that_cannot_ask_gets_the_first_and_is_told(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    async with opened(tmp_path, profile, "one", "two") as client:
        number = client.ask(
            "workspace/executeCommand", {"command": "massgen.run", "arguments": [{"prompt": "x"}]}
        )
        asked = await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        client.send(id=asked["id"], error={"code": -32601, "message": "no such method"})
        await client.reply(number)
        assert started_in(client, tmp_path) == ["one"]
        (said,) = notices(client)
        assert f"works in {tmp_path / 'one'}, the first of 2 open folders" in said


@profiles
async def test_a_client_that_knows_us_is_told_and_can_say_it(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    async with opened(tmp_path, profile, "one", "two") as client:
        await client.request("massgen/run", {"prompt": "x"})
        assert started_in(client, tmp_path) == ["one"]
        assert len(notices(client)) == 1
        uri = client.uri("two")
        for more in (
            {"folder": uri},
            {"scope": {"folder": uri}},
            {"folder": uri, "scope": {"folder": uri}},
        ):
            await client.request("massgen/run", {"prompt": "x", **more})
        assert started_in(client, tmp_path)[1:] == ["two"] * 3
        assert len(notices(client)) == 1, "who has said it need not be told"
        assert client.all("window/showMessageRequest") == []
        both = {"folder": client.uri("one"), "scope": {"folder": uri}}
        with pytest.raises(ServerError, match="differ"):
            await client.request("massgen/run", {"prompt": "x", **both})


async def test_a_named_folder_wins_over_the_one_that_holds_the_document(tmp_path: Path) -> None:
    async with opened(tmp_path, VSCODE, "one", "one/inner", "two") as client:
        document = {"textDocument": {"uri": client.uri("one/inner/a.py")}}
        await client.request("massgen/run", {"prompt": "x", "scope": document})
        scope = {**document, "folder": client.uri("one")}
        await client.request("massgen/run", {"prompt": "x", "scope": scope})
        assert started_in(client, tmp_path) == ["one/inner", "one"]
        assert client.engine.started[-1][0].task.scope.path == "inner/a.py"
        scope = {**document, "folder": client.uri("two")}
        with pytest.raises(ServerError, match="lies outside"):
            await client.request("massgen/run", {"prompt": "x", "scope": scope})


async def test_folders_of_one_repository_are_no_question(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    async with opened(tmp_path, VSCODE, "one", "two", repositories=False) as client:
        for path in ("one/a.py", "two/b.py"):
            client.open(path, "unsaved\n")
        await client.command("massgen.run", {"prompt": "x"})
        assert started_in(client, tmp_path) == ["one"]
        assert len(notices(client)) == 1
        buffers = [Path(buffer.path) for buffer in client.engine.started[0][2]]
        assert buffers == [tmp_path / "one/a.py", tmp_path / "two/b.py"], "one snapshot has both"


async def test_one_folder_is_neither_asked_for_nor_told(tmp_path: Path) -> None:
    async with opened(tmp_path, VSCODE, "one") as client:
        await client.command("massgen.run", {"prompt": "x"})
        assert notices(client) == []


async def test_folders_of_one_name_are_offered_by_their_paths(tmp_path: Path) -> None:
    async with opened(tmp_path, VSCODE, "one/app", "two/app") as client:
        pick(client, str(tmp_path / "two/app"))
        await client.command("massgen.run", {"prompt": "x"})
        assert started_in(client, tmp_path) == ["two/app"]
