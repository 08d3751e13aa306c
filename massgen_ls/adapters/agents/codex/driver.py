"""Drives Codex (``codex exec``): a run of the program for each turn of the conversation.

Its settings are in `launch`, what it prints in `events`.

Nothing can be said to it while it works, and it cannot ask. Messages wait for the end of the turn
and are the next one; what it may do is settled before the start. Success is a completed turn in
which something was said or done; exit codes say nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from massgen_ls.adapters.agents.attempt.answers import wish
from massgen_ls.adapters.agents.attempt.coding import CodingDriver, Login, Program
from massgen_ls.adapters.agents.attempt.failing import Advice, kind_of
from massgen_ls.adapters.agents.attempt.frame import Frame, prepared
from massgen_ls.adapters.agents.attempt.runs import Run
from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.codex.events import Reading
from massgen_ls.adapters.agents.codex.launch import (
    KEYS,
    PROGRAM,
    Launch,
    freedom_of,
    key_of,
    prepare,
    user_folder,
)
from massgen_ls.adapters.agents.program.members import Object, as_object, count, inner
from massgen_ls.adapters.agents.program.surroundings import Surroundings, write_private
from massgen_ls.core.budget import Usage
from massgen_ls.core.task import AgentSpec
from massgen_ls.ports import AgentNews, Ended, Place, Processes, Said

INSTALL = "Install it with `npm install -g @openai/codex`, or correct `program`."
ADVICE = Advice(
    login=(
        f"set {KEYS[1]} or {KEYS[0]}; with `login: user` it works with your own login (run "
        "`codex login` once)"
    ),
    user=(
        f"run `codex login` once, or set {KEYS[1]} and take `login: user` out of the configuration"
    ),
    model="look at `model`, `args` and `base_url` in the configuration",
)
OFFLINE = 10.0
"""Seconds that it may wait for a network that refuses it; by itself it would do so for ever."""
_SPENT = "codex-spent.json"
_REMARKS = ("warning: Untrusted project-local configuration", "WARNING: proceeding, even though")
"""What it always says in a home and a folder of ours, and nobody can act upon."""


class CodexDriver(CodingDriver):
    """Runs agents of type ``codex``.

    Args:
        processes: Starts the program.
        around: Our environment, of which it sees only what is allowed.
        offline: See `OFFLINE`.
    """

    def __init__(
        self, processes: Processes, around: Surroundings, *, offline: float = OFFLINE
    ) -> None:
        super().__init__(Program(PROGRAM, INSTALL, ADVICE), processes, around)
        self._offline = offline

    async def news(self, spec: AgentSpec, frame: Frame) -> AsyncGenerator[AgentNews]:
        """What comes of an attempt; see `CodingDriver.news`."""
        settings, brief, place = frame.settings, frame.brief, frame.place
        if settings.login == "own" and not settings.base_url and not key_of(settings, self._around):
            yield frame.failed("auth", "it has no key")
            return
        freedom, kept = await freedom_of(spec, brief, place)
        if kept:
            yield Said(f"[{kept}]\n", "stderr")
        launch = await prepared(place, prepare, settings, brief, place, self._around, freedom)
        before = await asyncio.to_thread(_spent_before, brief.session, place)
        ours = place.access.name if place.access is not None else ""
        frame.session = brief.session
        work = _Work(
            self._processes, frame, launch, self._offline, Reading(place.path, before, ours)
        )
        async with contextlib.aclosing(frame.turns(work.opening(), work.turn)) as news:
            async for item in news:
                yield item

    def login(self, settings: CodingSettings) -> Login:
        """Looks for a login, or for a key; see `CodingDriver.login`."""
        if settings.login == "user":
            folder = user_folder(self._around)
            if not os.path.exists(os.path.join(folder, "auth.json")):
                hint = f"No login is seen in {folder}: run `codex login` once."
                return Login(hint=hint, sure=False)
        elif not settings.base_url and not key_of(settings, self._around):
            return Login(ok=False, hint=f"It has no key: {ADVICE.login}.")
        return Login(hint=self._unset(settings))


@dataclass(slots=True)
class _Work:
    """One attempt: one turn or several."""

    processes: Processes
    frame: Frame
    launch: Launch
    offline: float
    reading: Reading
    toolless: bool = False
    """It cannot reach our tools, and that was told."""

    def opening(self) -> str:
        """The first thing that is said."""
        schema = self.frame.brief.schema
        wanted = wish(schema) if schema is not None else ""
        parts = (self.launch.prelude, self.frame.brief.prompt, wanted)
        return "\n\n".join(part for part in parts if part)

    async def turn(self, words: str) -> AsyncGenerator[AgentNews]:
        """One run of the program."""
        frame, reading = self.frame, self.reading
        reading.turn, reading.error = "none", ""
        run = _Run(self)
        command = self.launch.turn(words, frame.session)
        async with contextlib.aclosing(run.news(self.processes, command)) as news:
            async for item in news:
                yield item
        frame.session = reading.session or frame.session
        frame.last = reading.last
        await asyncio.to_thread(_remember, frame.session, reading.spent, frame.place)
        yield replace(run.verdict or self._ended(run), exit_code=run.code)

    def _ended(self, run: _Run) -> Ended:
        """After a run that nobody stopped."""
        reading, failed = self.reading, self.frame.failed
        match reading.turn:
            case "completed" if reading.last or reading.uses:
                return Ended("done")
            case "completed":
                return failed("protocol", "its model answered with nothing")
            case "failed":
                return failed(kind_of(None, reading.error), reading.error)
            case _:
                pass
        assert run.finished is not None, "it is waited for until it says how its turn went"
        said = run.printed.strip() or reading.error
        if "no rollout found" in said:
            why = "the conversation that it should go on with is gone: start the task anew."
            return Ended("failed", why, failure="config")
        unbegun = run.finished.exit_code > 0 and reading.turn == "none"
        return self.frame.vanished(run.finished, said, "config" if unbegun else None)


class _Run(Run):
    """One run of Codex."""

    def __init__(self, work: _Work) -> None:
        super().__init__(work.frame)
        self._work = work
        self._reading = work.reading

    def heard(self, event: Object) -> list[AgentNews]:
        """News of one event."""
        return self._reading.heard(event)

    @property
    def over(self) -> bool:
        """Whether it has said how its turn went."""
        return self._reading.turn in {"completed", "failed"}

    @property
    def patience(self) -> float:
        """Shorter where its service cannot be reached."""
        idle = self.frame.settings.idle_timeout
        return min(self._work.offline, idle) if self._reading.offline else idle

    def given_up(self) -> Ended:
        """Nothing was heard for `patience`."""
        if self._reading.offline:
            return self.frame.failed("network", self._reading.error)
        return super().given_up()

    def overdone(self) -> Ended | None:
        """It has no limit of turns by itself; what it does is counted."""
        most = self.frame.settings.max_turns
        if most is None or self._reading.uses <= most or self._reading.turn != "running":
            return None
        return self.frame.failed("turns", f"it used more than {most} tools")

    def remarked(self, line: str, noise: Said) -> Iterator[AgentNews]:
        """Without what it always says; a trouble with our tools in words."""
        if not line.startswith(_REMARKS):
            yield noise
        work = self._work
        if "ERROR rmcp::" in line and self.frame.place.access is not None and not work.toolless:
            work.toolless = True
            yield Said("[it cannot reach the tools of massgen, and goes on without]\n", "stderr")


# ── what a conversation has spent ───────────────────────────────────────────────────────────────


def _spent_before(session: str, place: Place) -> Usage:
    """What a conversation had spent when it was left: it goes on counting from there."""
    told: Any = None
    if session:
        with (
            contextlib.suppress(OSError, ValueError, RecursionError),
            open(os.path.join(place.home, _SPENT), "rb") as file,
        ):
            told = json.loads(file.read(64 * 1024))
    known = inner(as_object(told), session)
    return Usage(*(count(known, name) for name in ("input", "cached", "stored", "output")))


def _remember(session: str, spent: Usage, place: Place) -> None:
    if session and spent.tokens:
        told = {name: getattr(spent, name) for name in ("input", "cached", "stored", "output")}
        with contextlib.suppress(OSError):
            write_private(os.path.join(place.home, _SPENT), json.dumps({session: told}))
