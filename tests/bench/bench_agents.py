"""Coding agents through us against the same programs by hand, with the same scripted episode.

Run it with ``scripts/bench tests/bench/bench_agents.py``. It needs the real programs (see
``scripts/agents``), and neither keys nor a network: their models are scripted, in a process of
their own. An episode is three answers of the model, two commands and a new file; a longer one has
more commands.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from massgen_ls.adapters.agents.roster import open_drivers
from massgen_ls.core.events import AgentActed, AttemptEnded, Envelope
from massgen_ls.core.task import AgentSpec, RunSpec
from massgen_ls.engine.starts import Starts
from massgen_ls.ports import Acted, Ended
from massgen_ls.testing.editor import StandInEditor
from massgen_ls.wiring import open_supervisor
from tests.agents.stage import Stage, brief
from tests.bench import stand_in
from tests.bench.editing import editing
from tests.bench.measure import QUICK, against, aged, build, show
from tests.bench.models import models
from tests.bench.seats import (
    CLAUDE,
    CODEX,
    GEMINI,
    KEYS,
    KINDS,
    PROMPT,
    Kind,
    Spent,
    by_hand_at_once,
    driven,
    environ,
    memory,
    order,
    probe,
    run,
    spent,
)
from tests.fakes.repositories import UserRepo

pytestmark = pytest.mark.bench

ROUNDS = 2 if QUICK else 3
SEATS = 4 if QUICK else 16
STEPS = 5 if QUICK else 20
"""Commands of a longer episode, which is as long as many that people see."""
WORDS = 10 if QUICK else 30
FILES = 200
"""A small repository: what a large one costs is measured in `bench_runs`."""


def world(base: Path, name: str) -> dict[str, str]:
    """Our environment, with a cache and a record of its own."""
    given = {"MASSGEN_LS_CACHE": f"{base}/{name}/cache", "MASSGEN_LS_STATE": f"{base}/{name}/state"}
    return environ(base / "user") | given


async def repository(base: Path) -> UserRepo:
    repo = build(base / "repo", base / "home", FILES)
    await aged(repo)
    return repo


# ── one episode ─────────────────────────────────────────────────────────────────────────────────


async def test_episodes(tmp_path: Path) -> None:
    await episodes(tmp_path.resolve(), KINDS, PROMPT)


async def test_longer_episodes(tmp_path: Path) -> None:
    await episodes(tmp_path.resolve(), (CLAUDE, CODEX), f"{PROMPT} steps={STEPS}")


async def episodes(base: Path, kinds: Sequence[Kind], prompt: str) -> None:
    repo = await repository(base)
    fenced = probe()
    async with models() as url, open_supervisor(world(base, "world")) as supervisor:
        for kind in kinds:
            show(f"\n{kind.name}: {prompt!r}, the fastest of {ROUNDS} rounds")
            ways: dict[str, Callable[[Path], Awaitable[object]]] = {
                "by hand": lambda top, kind=kind: kind.by_hand(url, top, prompt),
                "driver": lambda top, kind=kind: driven(kind, url, top, None, prompt),
                "driver, sandbox": lambda top, kind=kind: driven(kind, url, top, fenced, prompt),
                "run, no sandbox": lambda _, kind=kind: run(
                    supervisor, repo.top, order(kind, url, sandbox="off", prompt=prompt)
                ),
                "run, sandbox": lambda _, kind=kind: run(
                    supervisor, repo.top, order(kind, url, prompt=prompt)
                ),
            }
            if not fenced.works:
                del ways["driver, sandbox"], ways["run, sandbox"]
            rounds: dict[str, list[Spent]] = {name: [] for name in ways}
            for number in range(-1, ROUNDS):
                for name, way in ways.items():
                    top = base / f"{kind.type}{len(kind.name)}" / f"{name}{number}"
                    took = await spent(lambda way=way, top=top: way(top))
                    if name.startswith("run"):
                        # Its user reads what was done; meanwhile the worktree is made ready again.
                        await asyncio.sleep(1.0)
                    if number >= 0:  # the first round fills caches, ours and the disk's
                        rounds[name].append(took)
            compare(rounds)


def compare(rounds: dict[str, list[Spent]]) -> None:
    """Each way beside the bare one: the fastest rounds, for other work on the machine only adds."""
    hand = rounds.pop("by hand")
    wall = min(s.wall for s in hand)
    theirs = statistics.median(s.theirs for s in hand)
    middle = statistics.median(s.wall for s in hand)
    show(f"{'by hand':<46}{wall:9.1f} ms   median {middle:.0f}; CPU of the program {theirs:.0f} ms")
    for name, took in rounds.items():
        fastest = min(s.wall for s in took)
        middle = statistics.median(s.wall for s in took)
        note = f"{fastest:.0f} ms, {fastest / wall:.2f} × by hand; median {middle:.0f}"
        against(f"{name}: time more", fastest - wall, 150, note=note)
        ours = statistics.median(s.ours for s in took)
        against(f"{name}: our CPU to its", 100 * ours / theirs, 5, "% ", f"{ours:.0f} ms")


# ── many seats ──────────────────────────────────────────────────────────────────────────────────


async def test_many_seats(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    repo = await repository(base)
    async with models() as url, open_supervisor(world(base, "world")) as supervisor:
        show(f"\n{SEATS} seats at once on {os.cpu_count()} cores, against as many by hand")
        for kind in (CLAUDE, CODEX):
            spec = order(kind, url, SEATS)
            await run(supervisor, repo.top, spec)  # makes the worktrees
            top = base / kind.program
            hand = await spent(lambda top=top, kind=kind: by_hand_at_once(kind, url, top, SEATS))
            ours = await spent(lambda spec=spec: run(supervisor, repo.top, spec))
            note = f"{ours.wall:.0f} and {hand.wall:.0f} ms; our CPU {ours.ours:.0f} ms, that of "
            note += f"the programs by hand {hand.theirs:.0f} ms"
            against(f"{kind.name}, time", ours.wall / hand.wall, 1.15, "× ", note)


def configured(spec: RunSpec, file: Path, sandbox: str = "auto") -> Path:
    """The agents of a run as a configuration file."""
    agents = [
        {"id": a.id, "backend": {"type": a.type, **a.settings}, "permissions": a.permissions.mode}
        for a in spec.agents
    ]
    # No judges: their questions are no part of what is measured here.
    rules = {"sandbox": sandbox, "voting": {"rule": "evidence-only"}}
    file.write_text(json.dumps({"agents": agents, "orchestrator": rules}))
    return file


async def test_memory_of_the_server(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    repo = await repository(base)
    show("\nmemory of the server while its seats work")
    async with models() as url:
        for kind in (CLAUDE, GEMINI, CODEX):
            peaks: dict[int, float] = {}
            for seats in (1, SEATS):
                config = configured(order(kind, url, seats), base / "team.json")
                given = world(base, f"{kind.type}{len(kind.name)}-{seats}")
                async with editing(repo, given, config) as (editor, server):
                    await editor.request("massgen/list", {})
                    idle = server.memory_info().rss / 2**20
                    peaks[seats] = await at_work(editor, server, seats, base / f"gate{seats}")
                    show(f"{f'{kind.name}, {seats} seats':<46}{peaks[seats]:9.1f} MB   "
                         f"idle {idle:.1f} MB")  # fmt: skip
                (base / f"gate{seats}").unlink()
            each = (peaks[SEATS] - peaks[1]) / (SEATS - 1)
            against(f"{kind.name}, each seat more", each, 2, "MB")


async def at_work(editor: StandInEditor, server: psutil.Process, seats: int, gate: Path) -> float:
    """The most memory during a run, MB; all seats are at work at the same time in it."""
    order = {"prompt": f"{PROMPT} gate={gate}", "apply": "none"}
    started = await editor.request("massgen/run", order)
    peak = 0.0
    async with asyncio.TaskGroup() as group:
        done = group.create_task(editor.request("massgen/wait", {"runId": started["runId"]}))
        while not done.done():
            peak = max(peak, server.memory_info().rss / 2**20)
            acting = {p["seat"] for _, p in list(editor.notifications) if acted(p)}
            if len(acting) == seats:
                gate.touch()
            await asyncio.sleep(0.05)
    assert len(done.result()["candidates"]) == seats, done.result()
    return peak


def acted(params: Any) -> bool:
    return isinstance(params, dict) and cast("dict[str, Any]", params).get("kind") == "agent_acted"


# ── how soon it is heard ────────────────────────────────────────────────────────────────────────


class Heard(list[tuple[str, Any]]):
    """Notifications; each is looked at as it arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []

    def append(self, item: tuple[str, Any], /) -> None:
        super().append(item)
        if acted(item[1]):
            self.late.append(lateness(item[1]["target"]))


def lateness(said: str) -> float:
    """Milliseconds since the stand-in said it."""
    now = time.monotonic_ns()
    found = re.search(r"now=(\d+);", said)
    assert found is not None, said
    return (now - int(found[1])) / 1e6


def stand_ins(base: Path) -> list[AgentSpec]:
    """Agents of each kind whose program is the stand-in."""
    found: list[AgentSpec] = []
    for kind in KINDS:
        name = str(kind.settings.get("protocol", kind.program)).split("-")[0]
        said = {"acp": "acp", "stream": "gemini"}.get(name, kind.program)
        program = base / f"{said}-stand-in"
        words = f"{sys.executable} -I -S {stand_in.__file__} {said} {WORDS}"
        program.write_text(f"#!/bin/sh\nexec {words}\n")
        program.chmod(0o755)
        found.append(kind.spec("http://127.0.0.1:9", program=str(program)))
    return found


async def test_how_soon_it_is_heard(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    repo = await repository(base)
    show(f"\nfrom the line that an agent writes to the event, {WORDS} lines of each")
    async with open_supervisor(world(base, "world")) as supervisor:
        for kind, agent in zip(KINDS, stand_ins(base), strict=True):
            spec = replace(order(kind, ""), agents=(agent,))
            late: list[float] = []
            with supervisor.subscribe() as news:
                started = await supervisor.start(spec, str(repo.top))
                async for item in news:
                    if isinstance(item, Envelope) and isinstance(item.event, AgentActed):
                        late.append(lateness(item.event.target))
                    if isinstance(item, Envelope) and isinstance(item.event, AttemptEnded):
                        assert item.event.outcome == "done", item.event
                        break
            await supervisor.wait(started)
            tell(f"{kind.name}, on the bus", late)
    for kind, agent in zip(KINDS, stand_ins(base), strict=True):
        config = configured(replace(order(kind, ""), agents=(agent,)), base / "team.json")
        async with editing(repo, world(base, "server"), config) as (editor, _):
            editor.notifications = heard = Heard()
            started = await editor.request("massgen/run", {"prompt": PROMPT, "apply": "none"})
            await editor.request("massgen/wait", {"runId": started["runId"]})
            tell(f"{kind.name}, in the editor", heard.late)


def tell(name: str, late: list[float]) -> None:
    assert len(late) == WORDS, late
    note = f"median {statistics.median(late):.1f} ms, slowest {max(late):.1f} ms"
    against(f"{name}, the first", late[0], 100, note=note)


# ── before anything runs ────────────────────────────────────────────────────────────────────────


async def test_health(tmp_path: Path) -> None:
    show("\nhealth of each driver")
    stage = Stage(tmp_path.resolve(), KEYS)
    for kind in KINDS:
        async with open_drivers(
            stage.processes, stage.around.environ, stage.around.python
        ) as drivers:
            took: list[float] = []
            for _ in range(20):
                began = time.perf_counter()
                told = await drivers[kind.type].health(kind.spec(""))
                took.append((time.perf_counter() - began) * 1000)
                assert told.ok, told
            against(kind.name, statistics.median(took), 500, note=f"slowest {max(took):.1f} ms")


# ── one process for several seats ───────────────────────────────────────────────────────────────


async def test_shared_process(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    seats = 4
    show(f"\n{seats} seats of Gemini CLI without a sandbox: one process each, or one for all")
    async with models() as url:
        for share in (False, True):
            top = base / str(share)
            gate = top / "gate"
            stage = Stage(top / "stage", KEYS)
            began = time.perf_counter()
            async with (
                open_drivers(stage.processes, stage.around.environ, stage.around.python) as drivers,
                asyncio.TaskGroup() as group,
            ):
                first: list[float] = []
                all_of_them = asyncio.Event()
                starts = Starts(os.cpu_count() or 1)

                async def one(number: int) -> None:
                    seat = Stage(top / str(number), KEYS)  # noqa: B023 - ends with the round
                    spec = GEMINI.spec(url, number, share=share)  # noqa: B023
                    words = brief(f"{PROMPT} gate={gate}")  # noqa: B023
                    driver = drivers[GEMINI.type]
                    async with (
                        starts.turn(heavy=True) as up,  # noqa: B023
                        aclosing(driver.attempt(spec, words, seat.place())) as news,
                    ):
                        async for item in news:
                            up()
                            if isinstance(item, Acted) and "step-one" in item.target:
                                first.append(time.perf_counter() - began)  # noqa: B023
                                if len(first) == seats:  # noqa: B023
                                    all_of_them.set()  # noqa: B023
                            if isinstance(item, Ended):
                                assert item.outcome == "done", item

                tasks = [group.create_task(one(number)) for number in range(seats)]
                await all_of_them.wait()
                programs = psutil.Process().children(recursive=True)
                mine = [p for p in programs if "tests.bench.models" not in " ".join(p.cmdline())]
                total = memory(mine)
                gate.touch()
                await asyncio.wait(tasks)
            name = "one for all" if share else "one each"
            show(f"{f'{name}: all are at work':<46}{max(first) * 1000:9.1f} ms")
            show(f"{f'{name}: memory of all programs':<46}{total:9.1f} MB")
