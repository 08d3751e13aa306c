"""Drives Claude Code (``claude``) as one process that is talked to.

Its settings are in `launch`, what it prints in `events`.

Success is what is seen: a result without an error, completed, and that something was said or done.
The exit code says nothing (an interrupted process exits with 0).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import re
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace

from massgen_ls.adapters.agents.attempt import answers
from massgen_ls.adapters.agents.attempt.coding import CodingDriver, Login, Program
from massgen_ls.adapters.agents.attempt.failing import Advice, kind_of
from massgen_ls.adapters.agents.attempt.frame import Frame, outlived, prepared, unusable
from massgen_ls.adapters.agents.attempt.settings import FAREWELL, CodingSettings
from massgen_ls.adapters.agents.claude.events import (
    Begun,
    Question,
    Result,
    Strange,
    Taken,
    Told,
    Withdrawn,
)
from massgen_ls.adapters.agents.claude.launch import (
    CLOUDS,
    KEYS,
    PROGRAM,
    going_on,
    launch,
    user_folder,
    written_down,
)
from massgen_ls.adapters.agents.claude.session import ClaudeSession
from massgen_ls.adapters.agents.program import installed
from massgen_ls.adapters.agents.program.surroundings import Surroundings
from massgen_ls.adapters.agents.program.talk import Due, Gone, Line, Noise, Quiet, Talk, open_talk
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import (
    AgentNews,
    Command,
    Ended,
    Finished,
    Halt,
    Note,
    Processes,
    Said,
)

INSTALL = "Install it with `npm install -g @anthropic-ai/claude-code`, or correct `program`."
ADVICE = Advice(
    login=(
        f"set {KEYS[0]}, or run `claude setup-token` and set {KEYS[2]}; with `login: user` it "
        "works with your own login (run `claude` once and log in)"
    ),
    user=(
        f"start `claude` and log in with /login, or set {KEYS[0]} and take `login: user` out of "
        "the configuration"
    ),
    model="look at `model`, `args` and `base_url` in the configuration",
)
STOPPING = 1.5
"""Seconds that it has to end its turn and itself when it is stopped; then it is ended."""
_GONE = "No conversation found with session ID"
_VERSION = re.compile(r"\d+\.\d+\.\d+\S*")


class ClaudeCodeDriver(CodingDriver):
    """Runs agents of type ``claude_code``.

    Args:
        processes: Starts the program.
        around: Our environment, of which it sees only what is allowed.
        farewell: Seconds that it has to end by itself once it is done, or was told to stop.
    """

    def __init__(
        self, processes: Processes, around: Surroundings, *, farewell: float = FAREWELL
    ) -> None:
        super().__init__(Program(PROGRAM, INSTALL, ADVICE, version_of), processes, around)
        self._farewell = farewell

    async def news(self, spec: AgentSpec, frame: Frame) -> AsyncGenerator[AgentNews]:
        """What comes of an attempt; see `CodingDriver.news`."""
        settings, brief, place = frame.settings, frame.brief, frame.place
        frame.brief = await prepared(place, going_on, brief, settings, place, self._around)
        async with contextlib.aclosing(self._talked(spec, frame)) as news:
            async for item in news:
                if isinstance(item, Ended) and frame.brief.origin and _GONE in item.reason:
                    break
                yield item
            else:
                return
        # What it should go on from cannot be read: it is told what was done instead.
        frame.brief = replace(brief, origin="")
        async with contextlib.aclosing(self._talked(spec, frame)) as news:
            async for item in news:
                yield item

    async def _talked(self, spec: AgentSpec, frame: Frame) -> AsyncGenerator[AgentNews]:
        settings, brief, place = frame.settings, frame.brief, frame.place
        command = await prepared(place, launch, spec, settings, brief, place, self._around)
        work = _Work(frame, self._farewell)
        async with contextlib.aclosing(work.news(self._processes, command)) as news:
            async for item in news:
                if isinstance(item, Ended) and settings.login == "own" and brief.schema is None:
                    # A home of ours ends with the attempt; the conversation need not.
                    given = (item.session, settings, place, self._around)
                    file = await asyncio.to_thread(written_down, *given)
                    yield replace(item, conversation=file)
                else:
                    yield item

    def login(self, settings: CodingSettings) -> Login:
        """Looks for a login, or for a key or a token; see `CodingDriver.login`."""
        if settings.login == "user":
            folder = user_folder(self._around)
            if os.path.exists(os.path.join(folder, ".credentials.json")):
                return Login()
            # (On a Mac it is in the keychain, where nobody looks.)
            sure = sys.platform == "darwin"
            hint = f"No login is seen in {folder}: run `claude` once and log in."
            return Login(hint=hint, sure=sure)
        clouds = self._around.given(name for name in CLOUDS if name in settings.env)
        keys = self._around.given((*KEYS, *settings.env))
        if not clouds and not any(_is_key(name) for name in keys):
            return Login(ok=False, hint=f"It has no key: {ADVICE.login}.")
        return Login(hint=self._unset(settings))


def _is_key(name: str) -> bool:
    return name in KEYS or "KEY" in name or "TOKEN" in name


def version_of(path: str) -> str:
    """The version of an installed ``claude``; empty where it is not told without starting it.

    Its own installer names the file by the version; npm puts a ``package.json`` beside it.
    """
    name = os.path.basename(os.path.realpath(path))
    return name if _VERSION.fullmatch(name) else installed.version_of(path)


@dataclass(slots=True)
class _Work:
    """One attempt, from the first word to the end of the program."""

    frame: Frame
    farewell: float
    result: Result | None = None
    """Of the last turn that is over."""
    verdict: Ended | None = None
    """How it will end, once that does not depend on the agent any more."""
    leaving: bool = False
    """Its input was ended: it is done, or was given up."""
    peeking: bool = False
    """It is done, unless a message has come meanwhile."""
    leave_by: float | None = None
    """When its patience ends that has been told to stop, or to end."""
    noise: deque[str] = field(default_factory=lambda: deque[str](maxlen=12))

    async def news(self, processes: Processes, command: Command) -> AsyncGenerator[AgentNews]:
        """Talks to it until it is gone."""
        idle = self.frame.settings.idle_timeout
        finished: Finished | None = None
        place = self.frame.place
        talking = open_talk(processes, command, patience=idle, inbox=place.inbox, up=place.up)
        async with talking as talk:
            session = ClaudeSession(talk, place)
            try:
                await session.begin(self.frame.brief.prompt, self.frame.brief.pictures)
                while finished is None:
                    talk.patience = self._patience(session)
                    talk.due = self._ends_at()
                    match await talk.hear():
                        case Line(value=value):
                            self.peeking = False
                            for told in session.reading.heard(value):
                                news = await self._told(told, session)
                                if news is not None:
                                    yield news
                            await self._after(session)
                        case Noise(text=text, stream=stream):
                            self.noise.append(text)
                            yield Said(f"{text}\n", "stderr" if stream == "stderr" else "stdout")
                        case Note(text=text):
                            await self._note(text, session)
                        case Halt():
                            await self._stop(self.frame.stopped(), session)
                        case Quiet():
                            await self._quiet(session)
                        case Due():
                            finished = await self._due(session, talk)
                        case Gone(finished=finished):
                            pass
            except (GeneratorExit, asyncio.CancelledError):
                # Its own children end with the turn; what does not is ended after it.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await session.interrupt()
                raise
        for item in outlived(finished):
            yield item
        for item in talk.unheard():
            if isinstance(item, Note):
                session.too_late(item.text)
        ended = self._ended(finished, session)
        yield replace(
            ended,
            exit_code=finished.exit_code,
            session=session.reading.session,
            unheard=session.unheard(ended_well=ended.outcome == "done" and self.verdict is None),
        )

    # ── what comes in ───────────────────────────────────────────────────────────────────────

    async def _told(self, told: Told, session: ClaudeSession) -> AgentNews | None:
        match told:
            case Question():
                session.answer(told)
            case Withdrawn(request=request):
                session.withdrawn(request)
            case Strange():
                await session.refuse(told)
            case Taken():
                session.taken(told)
            case Result():
                self.result = told
            case Begun():
                self.result = None
                if self.verdict is None and not self.leaving:
                    self.leave_by = None
            case _:
                return told
        return None

    async def _after(self, session: ClaudeSession) -> None:
        """After each event: is the turn over, and was it the last one?"""
        if self.result is None or self.leaving:
            return
        if self.verdict is not None:
            await self._leave(session)
            return
        if self.leave_by is None:
            self.leave_by = _now() + self.farewell
        # Unless another turn begins by itself, whose result will be the one that counts.
        self.peeking = not (self.result.waiting or session.listening)

    async def _note(self, text: str, session: ClaudeSession) -> None:
        if self.leaving or self.verdict is not None:
            session.too_late(text)
            return
        self.result = self.leave_by = None
        self.peeking = False
        await session.note(text)

    async def _quiet(self, session: ClaudeSession) -> None:
        if self.peeking:
            self.peeking = False
            await self._leave(session)
            return
        await self._stop(self.frame.silent(), session)

    async def _due(self, session: ClaudeSession, talk: Talk) -> Finished | None:
        """Its time is up, or that which it had to stop or to leave."""
        if self.leaving or self.verdict is not None:
            return await talk.stop()
        if self.result is not None:
            await self._leave(session)
            return None
        await self._stop(self.frame.late(), session)
        return None

    # ── towards the end ─────────────────────────────────────────────────────────────────────

    def _ends_at(self) -> float:
        end = math.inf if self.leave_by is None else self.leave_by
        given_up = self.leaving or self.verdict is not None
        return end if given_up else min(end, self.frame.until)

    def _patience(self, session: ClaudeSession) -> float:
        if self.peeking:
            return 0.0
        # What it is asked to do, and what a person is asked, is waited for by the clock alone.
        waits = session.asking or self.leave_by is not None
        return math.inf if waits else self.frame.settings.idle_timeout

    async def _stop(self, verdict: Ended, session: ClaudeSession) -> None:
        """Decides how it ends, and has it end its turn."""
        if self.verdict is not None or self.leaving:
            return
        self.verdict = verdict
        self.peeking = False
        self.result = None
        self.leave_by = _now() + min(STOPPING, self.farewell)
        await session.interrupt()
        if not session.reading.session:
            # Its first turn has not begun, and will not: there is no result to wait for.
            await self._leave(session)

    async def _leave(self, session: ClaudeSession) -> None:
        self.leaving = True
        if self.verdict is None or self.leave_by is None:
            self.leave_by = _now() + self.farewell
        await session.leave()

    def _ended(self, finished: Finished, session: ClaudeSession) -> Ended:
        if self.verdict is not None:
            return self.verdict
        result = self.result
        if result is None:
            return self.frame.vanished(finished, "\n".join(self.noise))
        if not result.ok or result.stop == "refusal":
            return self._failed(result, session)
        if self.frame.brief.schema is not None:
            return _judged(result, self.frame.brief.schema)
        if not session.reading.spoke:
            return self.frame.failed("protocol", "its model answered with nothing")
        self.frame.last = result.said.strip()
        return Ended("done")

    def _failed(self, result: Result, session: ClaudeSession) -> Ended:
        said = result.said or result.reason or result.subtype or "it told no reason"
        resets_at = session.reading.resets_at
        pause = None if resets_at is None else max(0.0, resets_at - time.time())
        kind: FailureKind | None
        if result.subtype == "error_max_turns" or "budget" in result.subtype:
            kind = "turns"
        elif result.stop == "refusal":
            kind = "refused"
        elif "structured_output" in result.subtype:
            kind = "protocol"
        else:
            kind = kind_of(result.status, f"{said} {result.reason}")
        return self.frame.failed(kind, said, pause)


def _judged(result: Result, schema: Mapping[str, Json]) -> Ended:
    wrong = "it is missing"
    if result.answer is not None:
        wrong = answers.problem(result.answer, schema)
        if not wrong:
            return Ended("done", summary=result.said, answer=result.answer)
    value, none = answers.answer(result.said, schema)
    if not none:
        return Ended("done", summary=result.said, answer=value)
    return unusable(wrong)


def _now() -> float:
    return asyncio.get_running_loop().time()
