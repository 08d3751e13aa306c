"""What an editor can say to agents at work, hear of them afterwards, and is asked by them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from massgen_ls.core.events import AgentActed, Delta, Notice
from massgen_ls.core.permissions import Action
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.lsp.noise import Noise
from massgen_ls.lsp.permits import ALWAYS, NEVER, ONCE, AskingApprover
from massgen_ls.ports import Halt, Note
from massgen_ls.testing.editor import ServerError
from tests.lsp.editor import NEOVIM, VSCODE, Client, talking


async def test_an_agent_at_work_is_told_something_or_stopped(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        seat = {**run, "seat": "one"}
        assert await client.request("massgen/tell", {**seat, "text": "be quick"}) == {"told": True}
        await client.command("massgen.tell", {**seat, "stop": True})
        assert client.engine.told == [
            (run["runId"], "one", Note("be quick"), "the editor"),
            (run["runId"], "one", Halt(), "the editor"),
        ]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"seat": "one"}, "takes a `text`, or `stop: true`, one of the two"),
        ({"seat": "one", "text": " "}, "takes a `text`, or `stop: true`, one of the two"),
        ({"seat": "one", "text": "x", "stop": True}, "one of the two"),
        ({"text": "x"}, "`seat` is missing"),
        ({"seat": "nobody", "text": "x"}, "there is no seat 'nobody'"),
    ],
)
async def test_what_cannot_be_told_is_said(
    tmp_path: Path, params: dict[str, object], said: str
) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        with pytest.raises(ServerError, match=said):
            await client.request("massgen/tell", {**run, **params})
        assert client.engine.told == []


async def test_what_agents_do_waits_a_beat_but_never_for_what_comes_after_it(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, NEOVIM) as client:
        run = RunId((await client.request("massgen/run", {"prompt": "x"}))["runId"])
        acts = [AgentActed(SeatId("one"), "edit", f"{number}.py") for number in range(5)]
        client.engine.happen(run, *acts[:4], Notice("info", "between"), acts[4])
        await client.told("massgen/event", lambda p: p.get("target") == "4.py")
        events = [e for e in client.all("massgen/event") if e["run"] == run]
        assert [e["seq"] for e in events] == [*range(1, len(events) + 1)]


async def nobody_listens(client: Client, run: dict[str, Any]) -> None:
    """What is said in a run goes nowhere, and what is said next, in another one, is heard."""
    client.engine.go.clear()
    other = await client.request("massgen/run", {"prompt": "y"})
    await client.request("massgen/listen", {**other, "seat": "one"})
    client.engine.chatter(run["runId"], "a ghost")
    client.engine.chatter(other["runId"], "alive")
    await client.told("massgen/event", lambda p: p.get("text") == "alive")
    assert "a ghost" not in {p.get("text") for p in client.all("massgen/event")}


async def test_an_editor_listens_to_the_agent_whose_log_it_shows(tmp_path: Path) -> None:
    async with talking(tmp_path, NEOVIM) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        acted = await client.told("massgen/event", lambda p: p["kind"] == "agent_acted")
        client.engine.chatter(run["runId"], "before ")
        client.engine.chatter(run["runId"], "it\n")
        client.engine.happen(run["runId"], AgentActed(SeatId("one"), "read", "b.py"))
        client.engine.chatter(run["runId"], "x" * 65_500 + "lately\n")
        heard = await client.request("massgen/listen", {**run, "seat": "one"})
        (last,) = heard["parts"]
        assert last["after"] == acted["seq"] + 1
        assert (len(last["text"]), last["text"][-8:]) == (65_507, "xlately\n")
        assert heard["lost"] == len("before it\n")
        client.engine.chatter(run["runId"], "from now on")
        delta = await client.told("massgen/event", lambda p: p["kind"] == "delta")
        assert (delta["source"], delta["text"]) == ("one", "from now on")
        ended = await client.request("massgen/listen", {**run, "seat": "one", "stop": True})
        assert ended["parts"][-1]["text"].endswith("lately\nfrom now on")
        client.engine.chatter(run["runId"], "to nobody")
        client.engine.go.set()
        await client.told("massgen/event", lambda p: p["kind"] == "run_settled")
        said = [p["text"] for p in client.all("massgen/event") if p["kind"] == "delta"]
        assert said == ["from now on"]
        again = await client.command("massgen.listen", {**run, "seat": "one"})
        assert [part["text"][-20:] for part in again["parts"]] == ["from now onto nobody"]
        await nobody_listens(client, run)
        with pytest.raises(ServerError, match="no agent 'two'"):
            await client.request("massgen/listen", {**run, "seat": "two"})


async def test_nobody_listens_to_a_run_whose_end_was_lost(tmp_path: Path) -> None:
    async with talking(tmp_path, NEOVIM) as client:
        run = await client.request("massgen/run", {"prompt": "x", "workDoneToken": "mine"})
        await client.request("massgen/listen", {**run, "seat": "one"})
        await client.engine.cancel(run["runId"], "you")
        for number in range(4096):  # more than is kept for a reader who is slow
            client.engine.happen(run["runId"], Notice("info", str(number)))
        await client.told("massgen/event", lambda p: p["kind"] == "gap")
        await client.told("$/progress", lambda p: p["value"]["kind"] == "end")
        await nobody_listens(client, run)


def test_what_is_kept_of_many_agents_is_bounded() -> None:
    noise = Noise("facts")
    for number in range(100):
        for after in range(2000):
            noise.take(Delta(RunId("r"), f"agent{number}", "stdout", "x"), after)
    assert noise.listen(RunId("r"), "agent0") == {"parts": [], "lost": 0}
    kept = cast("dict[str, Any]", noise.listen(RunId("r"), "agent99"))
    assert len(kept["parts"]) + kept["lost"] == 2000
    assert kept["lost"] > 900


async def test_a_run_goes_on_from_what_an_earlier_one_did(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        context = {"runId": "run-0", "seat": "two"}
        await client.request("massgen/run", {"prompt": "x", "context": context})
        await client.request("massgen/run", {"prompt": "y", "context": {"runId": "run-0"}})
        told = [spec.task.context for spec, _, _ in client.engine.started]
        assert told == ["what two did in run-0", "what everybody did in run-0"]


async def test_what_an_agent_said_and_did_can_be_read(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        read = await client.request("massgen/read", {**run, "seat": "one"})
        (transcript,) = read["transcripts"]
        assert transcript["parts"] == [{"text": "Done.", "by": "agent", "thinking": False}]


async def test_a_run_can_be_read_without_its_diffs(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        run = await client.request("massgen/run", {"prompt": "x"})
        client.engine.go.set()
        await client.request("massgen/wait", run)
        whole = await client.request("massgen/read", run)
        outline = await client.request("massgen/read", {**run, "format": "outline"})
        for candidate in whole["candidates"]:
            del candidate["diff"], candidate["truncated"]
        assert outline == whole
        assert [c["id"] for c in outline["candidates"]] == ["one.1"]


async def test_the_hunks_of_a_candidate_come_with_their_places_in_the_open_text(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path, VSCODE) as client:
        client.open("a.py", "typed\nold\n")
        run = await client.request("massgen/run", {"prompt": "x"})
        found = await client.request("massgen/hunks", run)
        assert (found["run"], found["candidate"]) == (run["runId"], "one.1")
        (file,) = found["files"]
        assert (file["path"], file["live_path"], file["whole"]) == ("a.py", "a.py", False)
        assert file["hunks"] == [
            {
                "hunk": 0,
                "base": [0, 1],
                "candidate": [0, 1],
                "live": [1, 2],
                "state": "fits",
                "old": "old\n",
                "new": "new\n",
            }
        ]
        assert await client.command("massgen.hunks", {**run, "candidateId": "one.1"}) == found


# ── what agents ask ─────────────────────────────────────────────────────────────────────────────

RUN, SEAT = RunId("r"), SeatId("claude")
MAKE = Action("run", "make  all\n", "Bash")


class User:
    def __init__(self, *answers: str | None) -> None:
        self.answers = [*answers]
        self.shown: list[str] = []

    async def choose(self, message: str, actions: Sequence[str]) -> str | None:
        assert tuple(actions) == (ONCE, ALWAYS, NEVER)
        self.shown.append(message)
        if not self.answers:
            await asyncio.Event().wait()
        return self.answers.pop(0)


@pytest.mark.parametrize(
    ("answer", "allowed"), [(ONCE, True), (ALWAYS, True), (NEVER, False), (None, False)]
)
async def test_the_user_is_asked(answer: str | None, allowed: bool) -> None:
    user = User(answer)
    assert await AskingApprover(user.choose).ask(RUN, SEAT, MAKE, "why") is allowed
    assert user.shown == ["massgen: may claude run make all? (why)"]


async def test_who_allows_a_kind_for_the_run_is_not_asked_again() -> None:
    user = User(ALWAYS, ONCE, ONCE)
    approver = AskingApprover(user.choose)
    for action in (MAKE, Action("run", "ls"), Action("fetch", "https://x"), MAKE):
        assert await approver.ask(RUN, SEAT, action, "why")
    assert await approver.ask(RunId("other"), SEAT, MAKE, "why")
    assert [shown.split("?")[0] for shown in user.shown] == [
        "massgen: may claude run make all",
        "massgen: may claude fetch https://x",
        "massgen: may claude run make all",
    ]


async def test_silence_is_a_no() -> None:
    user = User()
    assert not await AskingApprover(user.choose, patience=0.01).ask(RUN, SEAT, MAKE, "why")
