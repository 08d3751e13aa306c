"""Settings that an editor may have taken out of the folder are the folder's own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.testing.editor import ServerError
from massgen_ls.wiring import ConfiguredDesk
from tests.lsp.editor import PROFILES, Client, Object, talking

EVIL: Object = {"agents": [{"id": "x", "backend": {"type": "command", "argv": ["evil"]}}]}
MINE = "profiles: {wild: {agents: [{id: tidy, permissions: {mode: allow}}]}}\n"
NAMED = "the editor's settings for this folder: agents[0].backend.argv: evil (starts a program)"
NEW = "the editor's settings for this folder are new since you trusted it"

Way = Callable[[Client, object], None]


def answered(client: Client, settings: object) -> None:
    client.answers["workspace/configuration"] = lambda _: [settings]


def sent(client: Client, settings: object) -> None:
    client.notify("workspace/didChangeConfiguration", {"settings": {"massgen": settings}})


profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
ways = pytest.mark.parametrize("way", [answered, sent])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("MASSGEN_LS_STATE", str(tmp_path / "state"))
    (tmp_path / "repo/.git").mkdir(parents=True)
    (tmp_path / "home/.config/massgen").mkdir(parents=True)
    (tmp_path / "home/.config/massgen/config.yaml").write_text(MINE)
    return tmp_path / "repo"


@asynccontextmanager
async def opened(
    folder: Path, profile: Object, way: Way = answered, options: Object | None = None
) -> AsyncIterator[Client]:
    asks = {"configuration": way is answered}
    profile = {**profile, "workspace": {**profile["workspace"], **asks}}
    async with talking(folder, profile, options=options, desk=ConfiguredDesk(None)) as client:
        yield client


def answer(client: Client, title: str) -> list[str]:
    asked: list[str] = []

    def pick(params: Any) -> Any:
        asked.append(params["message"])
        return {"title": title}

    client.answers["window/showMessageRequest"] = pick
    return asked


async def run(client: Client) -> list[str]:
    """Ids of the agents that a run has."""
    await client.request("massgen/run", {"prompt": "x"})
    return [str(agent.id) for agent in client.engine.started[-1][0].agents]


@profiles
@ways
async def test_what_needs_trust_is_asked_about(folder: Path, profile: Object, way: Way) -> None:
    async with opened(folder, profile, way) as client:
        way(client, EVIL)
        asked = answer(client, "Not now")
        with pytest.raises(ServerError, match="not trusted yet"):
            await run(client)
        assert NAMED in asked[0]
        asked = answer(client, "Trust and run")
        assert [await run(client), await run(client)] == [["x"], ["x"]]
        assert len(asked) == 1
        way(client, {"agents": [{"id": "x", "backend": {"type": "command", "argv": ["other"]}}]})
        assert await run(client) == ["x"]
        assert "the editor's settings for this folder have changed since" in asked[1]


@profiles
async def test_so_are_those_that_come_with_the_greeting(folder: Path, profile: Object) -> None:
    async with opened(folder, profile, sent, {"settings": EVIL}) as client:
        asked = answer(client, "Not now")
        with pytest.raises(ServerError, match="not trusted yet"):
            await run(client)
        assert NAMED in asked[0]


@profiles
@ways
async def test_an_editor_that_trusts_the_folder_speaks_for_its_user(
    folder: Path, profile: Object, way: Way
) -> None:
    async with opened(folder, profile, way, {"trusted": True}) as client:
        asked = answer(client, "Not now")
        way(client, EVIL)
        assert await run(client) == ["x"]
        client.notify("massgen/trust", {"trusted": False})
        with pytest.raises(ServerError, match="The editor does not trust"):
            await run(client)
        assert asked == []
    async with opened(folder, profile, way) as client:
        client.notify("massgen/trust", {"trusted": True})
        way(client, EVIL)
        assert await run(client) == ["x"]


@profiles
@ways
async def test_a_choice_needs_nobody(folder: Path, profile: Object, way: Way) -> None:
    async with opened(folder, profile, way) as client:
        asked = answer(client, "Not now")
        way(client, {"agents": ["bold"], "orchestrator": {"timeout": 9}, "codeLens": True})
        assert await run(client) == ["bold"]
        assert asked == []


async def test_a_profile_of_the_user_s_own_is_not_chosen_for_them(folder: Path) -> None:
    async with opened(folder, PROFILES["Eglot"]) as client:
        answered(client, {"profile": "wild"})
        asked = answer(client, "Not now")
        with pytest.raises(ServerError, match="not trusted yet"):
            await run(client)
        assert "agents[0].permissions.mode: allow (raises permissions)" in asked[0]


async def test_trust_in_the_files_is_none_in_the_settings(folder: Path) -> None:
    """And what the settings choose among what is trusted is no new wish."""
    (folder / "massgen.yaml").write_text(
        "agents:\n"
        "- {id: one, backend: {type: command, argv: [one]}}\n"
        "- {id: two, backend: {type: command, argv: [two]}}\n"
    )
    async with opened(folder, PROFILES["Eglot"]) as client:
        asked = answer(client, "Trust and run")
        answered(client, None)
        assert await run(client) == ["one", "two"]
        answered(client, {"agents": ["two"]})
        assert await run(client) == ["two"]
        assert len(asked) == 1
        answered(client, EVIL)
        assert await run(client) == ["x"]
        assert NEW in asked[1]
        answered(client, None)
        assert await run(client) == ["one", "two"]
        assert len(asked) == 2, "without them nothing is new"


async def test_a_file_that_is_named_is_no_word_for_the_settings_over_it(folder: Path) -> None:
    own = folder / "own.yaml"
    own.write_text("agents: [{id: one, backend: {type: command, argv: [one]}}]\n")
    desk = ConfiguredDesk(str(own))
    async with talking(folder, PROFILES["Eglot"], desk=desk) as client:
        assert await run(client) == ["one"]
        answer(client, "Not now")
        sent(client, EVIL)
        with pytest.raises(ServerError, match="argv: evil"):
            await run(client)
