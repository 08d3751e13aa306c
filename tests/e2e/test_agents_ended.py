"""Real agent programs that are ended in the middle: by Ctrl-C, by kill -9, by what they left."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.testing.models import Episode, Gate, Shell, Step, Text, Turn, Wait, Write
from tests.e2e.cast import CODEX, FREE, PRO, SONNET, Cast, of, rest, there
from tests.e2e.world import interrupt, line

pytestmark = [pytest.mark.e2e, pytest.mark.agents]

SEATS = ("claude", "codex", "gemini")
HANGS = "(setsid tail -f /dev/null >/dev/null 2>&1 &); touch running; tail -f /dev/null"
"""A command that does not end, with a daemon that it has left."""


def hanging(cast: Cast, *step: Step) -> list[dict[str, Any]]:
    """Three agents that write half of their work and then hang in a step."""
    half = Turn(Write("half.txt", "half\n"))
    cast.models.scripts |= {name: Episode(half, Turn(*step)) for name in (SONNET, PRO, CODEX)}
    return [cast.claude(**FREE), cast.gemini(**FREE), cast.codex(**FREE)]


async def worktrees(process: asyncio.subprocess.Process) -> tuple[str, dict[str, Path]]:
    """The run, and where each seat works."""
    found: dict[str, Path] = {}
    run = ""
    while len(found) < len(SEATS):
        event = await line(process)
        run = event["run"]
        if event["kind"] == "attempt_started":
            found[event["seat"]] = Path(event["worktree"])
    return run, found


async def all_ask(cast: Cast, seats: Sequence[str] = (SONNET, PRO, CODEX)) -> None:
    """Until each of the models was asked for its second turn."""
    for seat in seats:
        await cast.models.saw(
            lambda s, seat=seat: (
                s.request is not None and s.request.seat == seat and s.request.turn == 1
            ),
            timeout=60,
        )


@pytest.mark.parametrize(
    ("sandbox", "where"), [("auto", "shell"), ("off", "shell"), ("off", "model")]
)
async def test_ctrl_c_ends_every_agent_and_keeps_its_half(
    cast: Cast, sandbox: str, where: str
) -> None:
    world = cast.world
    world.init()
    before = world.fingerprint()
    agents = hanging(cast, Wait(Gate()) if where == "model" else Shell(HANGS))
    async with cast.running(agents, sandbox=sandbox) as process:
        _, trees = await worktrees(process)
        await all_ask(cast)
        for tree in trees.values() if where == "shell" else ():
            await there(tree / "running", process)
        interrupt(process)
        ended = await rest(process)
    assert (ended.code, ended.outcome) == (5, "cancelled"), ended
    assert {e["seat"]: e["outcome"] for e in of(ended, "attempt_ended")} == dict.fromkeys(
        SEATS, "cancelled"
    )
    names = {"half.txt"} if where == "model" else {"half.txt", "running"}
    candidates = {c["seat"]: {f["path"] for f in c["files"]} for c in ended.settled["candidates"]}
    assert candidates == dict.fromkeys(SEATS, names)
    await world.check_clean(before)
    told = await world.massgen("show", ended.run, "--transcript", "codex")
    assert "write half.txt" in told.out, told


@pytest.mark.parametrize("sandbox", ["auto", "off"])
async def test_kill_9_leaves_nothing_after_the_next_start(cast: Cast, sandbox: str) -> None:
    world = cast.world
    world.init()
    before = world.fingerprint()
    agents = hanging(cast, Shell(HANGS))
    async with cast.running(agents, sandbox=sandbox) as process:
        run, trees = await worktrees(process)
        await all_ask(cast)
        for tree in trees.values():
            await there(tree / "running", process)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    shown = await world.massgen("show", run, "--json")
    assert shown.code == 0, shown
    await world.check_clean(before)
    again = json.loads((await world.massgen("show", run, "--json")).out)
    assert again["verdict"]["outcome"] == "cancelled"


@pytest.mark.parametrize("sandbox", ["auto", "off"])
async def test_what_an_agents_shell_leaves_behind_is_ended(cast: Cast, sandbox: str) -> None:
    world = cast.world
    world.init()
    before = world.fingerprint()
    daemon = Turn(Shell("setsid tail -f /dev/null >/dev/null 2>&1 & echo $! > daemon; sleep 0"))
    cast.models.scripts |= {
        name: Episode(daemon, Turn(Text("It runs in the background.")))
        for name in (SONNET, PRO, CODEX)
    }
    agents = [cast.claude(**FREE), cast.gemini(**FREE), cast.codex(**FREE)]
    ended = await cast.run(agents, sandbox=sandbox)
    assert ended.code == 0, ended
    assert {e["seat"]: e["outcome"] for e in of(ended, "attempt_ended")} == dict.fromkeys(
        SEATS, "done"
    )
    for candidate in ended.settled["candidates"]:
        assert [f["path"] for f in candidate["files"]] == ["daemon"], candidate
    await world.check_clean(before)
