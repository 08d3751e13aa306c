"""Who is asked whether a folder is trusted, and what an editor's own word counts for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.core.powers import powers
from massgen_ls.core.task import RunSpec
from massgen_ls.core.trust import Approval, Claim, Giver, UntrustedError, Word, decide
from massgen_ls.lsp.files.livefiles import Deadlines
from massgen_ls.lsp.trust import NOT_NOW, SHOW, TRUST
from massgen_ls.testing.editor import ServerError
from tests.lsp.editor import PROFILES, VSCODE, Client, FakeDesk, Object, talking

profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


class Desk(FakeDesk):
    """Knows the real decisions, and keeps what it is told in memory."""

    def __init__(self, root: Path, count: int = 1) -> None:
        wants = {
            "worktree": {"setup": ["x"]},
            "checks": [{"argv": ["make", str(n)]} for n in range(count)],
        }
        found = powers(wants, None, lambda where: ("massgen.yaml", len(where)))
        self.claim = Claim(str(root), ".", found, found[:1], {"massgen.yaml": "1"})
        self.approvals: dict[str, Approval] = {}
        self.words: list[Word | None] = []
        self.before_answer = lambda: None

    def make_spec(
        self, folder, prompt, scope, agents, checks, mode, apply, editor, word=None
    ) -> RunSpec:
        claim = replace(self.claim, root=folder)
        self.words.append(word)
        decision = decide(claim, self.approvals, word)
        if decision.outcome in {"ask", "refuse"}:
            raise UntrustedError(claim, decision)
        if decision.keep:
            self.approve(claim, decision.keep)
        return super().make_spec(folder, prompt, scope, agents, checks, mode, apply, editor)

    def approve(self, claim: Claim, by: Giver) -> None:
        self.approvals["."] = Approval(by, claim.files)

    def change(self) -> None:
        digest = self.claim.files["massgen.yaml"]
        self.claim = replace(self.claim, files={"massgen.yaml": f"{digest}1"})


@asynccontextmanager
async def opened(
    root: Path, desk: Desk, profile: Object = VSCODE, options: Object | None = None
) -> AsyncIterator[Client]:
    deadlines = Deadlines(trust=0.4)
    async with talking(root, profile, options=options, deadlines=deadlines, desk=desk) as client:
        yield client


def pick(client: Client, *titles: str | None) -> list[list[str]]:
    """Answers questions with these, the last one for ever; returns what was offered."""
    left = list(titles)
    offered: list[list[str]] = []

    def answer(params: Any) -> Any:
        offered.append([action["title"] for action in params["actions"]])
        title = left.pop(0) if len(left) > 1 else left[0]
        return {"title": title} if title in offered[-1] else None

    client.answers["window/showMessageRequest"] = answer
    return offered


async def run(client: Client) -> None:
    await client.request("massgen/run", {"prompt": "x"})


async def refused(client: Client, words: str = "is not trusted yet") -> None:
    started = len(client.engine.started)
    with pytest.raises(ServerError, match=words):
        await run(client)
    assert len(client.engine.started) == started


@profiles
async def test_the_user_is_asked_once_for_one_content(tmp_path: Path, profile: Object) -> None:
    desk = Desk(tmp_path)
    async with opened(tmp_path, desk, profile) as client:
        offered = pick(client, TRUST)
        await run(client)
        await client.command("massgen.run", {"prompt": "x"})
        assert offered == [[TRUST, SHOW, NOT_NOW]]
        assert desk.approvals["."].by == "user"
        desk.change()
        await run(client)
        assert len(offered) == 2
        asked = client.all("window/showMessageRequest")
        assert "massgen.yaml:2: worktree.setup: x" in asked[0]["message"]
        assert "massgen.yaml has changed since you trusted it" in asked[1]["message"]


@profiles
@pytest.mark.parametrize("answer", [NOT_NOW, None, "something else"])
async def test_anything_else_is_no(tmp_path: Path, profile: Object, answer: str | None) -> None:
    desk = Desk(tmp_path)
    async with opened(tmp_path, desk, profile) as client:
        pick(client, answer)
        await refused(client)
        assert desk.approvals == {}


async def test_what_it_would_do_is_shown_in_full_before_the_second_question(tmp_path: Path) -> None:
    desk = Desk(tmp_path, count=9)
    async with opened(tmp_path, desk) as client:
        offered = pick(client, SHOW, TRUST)
        await run(client)
        assert offered == [[TRUST, SHOW, NOT_NOW], [TRUST, NOT_NOW]]
        (said,) = [
            p["message"] for p in client.all("window/showMessage") if "would obey" in p["message"]
        ]
        assert all(f"make {n} (starts a program)" in said for n in range(9))
        first = client.all("window/showMessageRequest")[0]["message"]
        assert "wants 10 things that need your trust" in first
        assert "and 7 more" in first


async def test_a_client_that_never_answers_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async with opened(tmp_path, Desk(tmp_path)) as client:
        async with asyncio.timeout(10):
            await refused(client)
        assert len(client.all("window/showMessageRequest")) == 1


async def test_a_client_that_cannot_ask_is_told_the_ways_on(tmp_path: Path) -> None:
    async with opened(tmp_path, Desk(tmp_path)) as client:
        number = client.ask("massgen/run", {"prompt": "x"})
        asked = await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        client.send(id=asked["id"], error={"code": -32601, "message": "no such method"})
        with pytest.raises(ServerError, match="massgen-ls trust"):
            await client.reply(number)


async def test_two_runs_at_a_time_ask_one_question(tmp_path: Path) -> None:
    async with opened(tmp_path, Desk(tmp_path)) as client:
        offered = pick(client, TRUST)
        for number in [client.ask("massgen/run", {"prompt": str(n)}) for n in range(4)]:
            await client.reply(number)
        assert len(offered) == 1
        assert len(client.engine.started) == 4


async def test_what_changes_while_the_user_looks_at_it_is_asked_about_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with opened(tmp_path, desk) as client:
        offered = pick(client, TRUST)
        answer = client.answers["window/showMessageRequest"]

        def slow(params: Any) -> Any:
            if not offered:
                desk.change()
            return answer(params)

        client.answers["window/showMessageRequest"] = slow
        await run(client)
        assert len(offered) == 2
        assert desk.approvals["."].files == {"massgen.yaml": "11"}


# ── the editor's own word ───────────────────────────────────────────────────────────────────────


@profiles
async def test_an_editor_that_trusts_the_folder_asks_nobody(
    tmp_path: Path, profile: Object
) -> None:
    desk = Desk(tmp_path)
    async with opened(tmp_path, desk, profile, {"trusted": True}) as client:
        await run(client)
        assert client.all("window/showMessageRequest") == []
        assert desk.approvals["."].by == "editor", "which is no word for the command line"
        # Its trust was for what was there.
        desk.change()
        await refused(client, "massgen.yaml has changed")
        pick(client, TRUST)
        await run(client)


@profiles
async def test_an_editor_that_does_not_trust_it_is_obeyed(tmp_path: Path, profile: Object) -> None:
    desk = Desk(tmp_path)
    desk.approve(desk.claim, "user")
    async with opened(tmp_path, desk, profile, {"trusted": False}) as client:
        await refused(client, "The editor does not trust")
        assert client.all("window/showMessageRequest") == []
        client.notify("massgen/trust", {"trusted": True})
        await run(client)
        client.notify("massgen/trust", {"trusted": False})
        await refused(client, "The editor does not trust")


async def test_a_fresh_word_of_the_user_is_for_what_is_there_now(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with opened(tmp_path, desk, options={"trusted": True}) as client:
        await run(client)
        desk.change()
        assert await client.request("massgen/trust", {"trusted": True}) == {"trusted": True}
        await run(client)
        assert desk.words[-1] == "granted"
        await run(client)
        assert desk.words[-1] == "editor"
        for wrong in ({"trusted": "yes"}, {}, None):
            with pytest.raises(ServerError, match="takes"):
                await client.request("massgen/trust", wrong)


@profiles
@pytest.mark.parametrize("settings", [{"massgen": {"trusted": True}}, {"massgen.trusted": True}])
@pytest.mark.parametrize("options", [{}, {"trusted": False}])
async def test_settings_never_raise_trust(
    tmp_path: Path, settings: Object, options: Object, profile: Object
) -> None:
    """Editors take settings out of the folder: ``.vscode/settings.json``, ``.dir-locals.el``."""
    words = "The editor does not trust" if options else "is not trusted yet"
    async with opened(tmp_path, Desk(tmp_path), profile, options) as client:
        for sent in (settings, None, [], {"massgen": None}, {"massgen": {"trusted": "yes"}}):
            client.notify("workspace/didChangeConfiguration", {"settings": sent})
            await refused(client, words)


async def test_settings_may_say_no(tmp_path: Path) -> None:
    async with opened(tmp_path, Desk(tmp_path), options={"trusted": True}) as client:
        await run(client)
        for sent in ({"massgen": {"trusted": False}}, {"massgen": {"trusted": True}}):
            client.notify("workspace/didChangeConfiguration", {"settings": sent})
            await refused(client, "The editor does not trust")
        client.notify("massgen/trust", {"trusted": True})
        await run(client)


async def test_an_editor_s_trust_is_for_the_folders_that_it_has_open(tmp_path: Path) -> None:
    (tmp_path / "open/.git").mkdir(parents=True)
    (tmp_path / "open/cloned/.git").mkdir(parents=True)
    (tmp_path / "open/part").mkdir()
    (tmp_path / "other").mkdir()
    desk = Desk(tmp_path)
    async with opened(tmp_path / "open", desk, options={"trusted": True}) as client:
        for name in ("other", "open/cloned"):
            with pytest.raises(ServerError, match="not trusted yet"):
                await client.request("massgen/run", {"prompt": "x", "folder": str(tmp_path / name)})
            assert desk.words[-1] is None
        for name in ("open", "open/part"):
            await client.request("massgen/run", {"prompt": "x", "folder": str(tmp_path / name)})
            assert desk.words[-1] == "editor"
