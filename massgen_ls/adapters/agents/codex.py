"""Drives Codex (``codex exec``): a run of the program for each turn of the conversation.

Its settings are in `codex_launch`, what it prints in `codex_events`.

Nothing can be said to it while it works, and it cannot ask. Messages wait for the end of the turn
and are the next one; what it may do is settled before the start. Success is a completed turn in
which something was said or done; exit codes say nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import math
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

from massgen_ls.adapters.agents.answers import again, answer, wish
from massgen_ls.adapters.agents.codex_events import Reading
from massgen_ls.adapters.agents.codex_launch import (
    KEYS,
    PROGRAM,
    Launch,
    freedom_of,
    key_of,
    prepare,
    user_folder,
)
from massgen_ls.adapters.agents.coding import FAREWELL, CodingSettings
from massgen_ls.adapters.agents.failing import Advice, explained, kind_of, retry_after
from massgen_ls.adapters.agents.installed import version_of
from massgen_ls.adapters.agents.members import as_object, count, inner
from massgen_ls.adapters.agents.notes import Notes
from massgen_ls.adapters.agents.speech import signal_name
from massgen_ls.adapters.agents.surroundings import Surroundings, write_private
from massgen_ls.adapters.agents.talk import Due, Gone, Line, Noise, Quiet, open_talk
from massgen_ls.core.budget import Usage
from massgen_ls.core.conversation import shorten
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.task import AgentSpec
from massgen_ls.ports import (
    STOPPED,
    AgentNews,
    Brief,
    Ended,
    Finished,
    Halt,
    Health,
    Note,
    Place,
    Processes,
    Said,
)

INSTALL = "install it with `npm install -g @openai/codex`"
ADVICE = Advice(
    login=(
        f"set {KEYS[1]} or {KEYS[0]}; with `login: user` it works with your own login (run "
        "`codex login` once)"
    ),
    model="look at `model`, `args` and `base_url` in the configuration",
)
OFFLINE = 10.0
"""Seconds that it may wait for a network that refuses it; by itself it would do so for ever."""
_ASKED = 3
"""How often it is asked for a judgement that can be used."""
_SUMMARY = 4000
_TAIL = 2000
_SPENT = "codex-spent.json"
_REMARKS = ("warning: Untrusted project-local configuration", "WARNING: proceeding, even though")
"""What it always says in a home and a folder of ours, and nobody can act upon."""


class CodexDriver:
    """Runs agents of type ``codex``; implements `ports.Driver`.

    Args:
        processes: Starts the program.
        around: Our environment, of which it sees only what is allowed.
        offline: See `OFFLINE`.
    """

    briefed = True
    hears = True
    heavy = True

    def __init__(
        self, processes: Processes, around: Surroundings, *, offline: float = OFFLINE
    ) -> None:
        self._processes = processes
        self._around = around
        self._offline = offline

    async def attempt(
        self, spec: AgentSpec, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews]:
        """Runs the agent once. Closing the iterator ends it and all its processes."""
        settings = CodingSettings.of(spec, PROGRAM)
        if settings.login == "own" and not settings.base_url and not key_of(settings, self._around):
            why = explained("auth", "it has no key", ADVICE)
            yield Ended("failed", why, failure="auth")
            return
        freedom, kept = await freedom_of(spec, brief, place)
        if kept:
            yield Said(f"[{kept}]\n", "stderr")
        try:
            launch = await asyncio.to_thread(prepare, settings, brief, place, self._around, freedom)
            before = await asyncio.to_thread(_spent_before, brief.session, place)
        except OSError as error:
            why = f"its home {place.home} cannot be prepared: {error.strerror or error}"
            yield Ended("failed", why)
            return
        ours = place.access.name if place.access is not None else ""
        reading = Reading(place.path, before, ours)
        work = _Attempt(settings, brief, place, launch, self._offline, reading)
        try:
            async with contextlib.aclosing(work.news(self._processes)) as news:
                async for item in news:
                    yield item
        except OSError as error:
            yield _unstartable(settings.program, error)
        except MassgenError as error:
            yield Ended("failed", str(error), failure="config")

    async def health(self, spec: AgentSpec) -> Health:
        """Looks for the program and for a way to log in, by name; starts and reads nothing else."""
        settings = CodingSettings.of(spec, PROGRAM)
        return await asyncio.to_thread(self._health, spec, settings)

    def _health(self, spec: AgentSpec, settings: CodingSettings) -> Health:
        path = self._around.find(settings.program)
        if path is None:
            hint = f"{INSTALL[0].upper()}{INSTALL[1:]}, or correct `program`."
            return Health(spec.id, ok=False, found=f"{settings.program} not found", hint=hint)
        version = version_of(path)
        unset = [name for name in settings.env if not self._around.environ.get(name)]
        hint = f"Not set in the environment: {', '.join(unset)}." if unset else ""
        if settings.login == "user":
            folder = user_folder(self._around)
            if not os.path.exists(os.path.join(folder, "auth.json")):
                hint = f"No login is seen in {folder}: run `codex login` once."
        elif not settings.base_url and not key_of(settings, self._around):
            hint = f"It has no key: {ADVICE.login}."
            return Health(spec.id, ok=False, found=path, hint=hint, version=version)
        return Health(spec.id, ok=True, found=path, hint=hint, version=version)


@dataclass(slots=True)
class _Attempt:
    """One attempt: one turn or several."""

    settings: CodingSettings
    brief: Brief
    place: Place
    launch: Launch
    offline: float
    reading: Reading
    notes: Notes = field(default_factory=Notes)
    verdict: Ended | None = None
    """How it ends, where that is not the agent's doing."""
    printed: str = ""
    """The end of what it printed that was no event."""
    until: float = 0.0
    leave_by: float | None = None
    """When its patience ends that has said how its turn went."""
    toolless: bool = False
    """It cannot reach our tools, and that was told."""

    @property
    def limit(self) -> float:
        """Seconds for the attempt."""
        return min(self.place.timeout, self.settings.timeout or self.place.timeout)

    async def news(self, processes: Processes) -> AsyncGenerator[AgentNews]:
        """Talks to it until there is nothing more to say."""
        self.until = asyncio.get_running_loop().time() + self.limit
        words, session = self._opening(), self.brief.session
        asked = 1
        while True:
            finished: Finished | None = None
            async with contextlib.aclosing(self._turn(processes, words, session)) as turn:
                async for item in turn:
                    if isinstance(item, Finished):
                        finished = item
                    else:
                        yield item
            session = self.reading.session or session
            self._take_rest()
            await asyncio.to_thread(_remember, session, self.reading.spent, self.place)
            ended = self.verdict or self._ended(finished)
            if ended.outcome == "done" and self.verdict is None:
                if words := self.notes.next_turn():
                    continue
                if self.brief.schema is not None:
                    value, wrong = answer(self.reading.last, self.brief.schema)
                    if wrong and asked < _ASKED:
                        asked += 1
                        words = again(wrong, self.brief.schema)
                        continue
                    ended = replace(ended, answer=value) if not wrong else _unusable(wrong)
            code = finished.exit_code if finished is not None else None
            yield replace(ended, exit_code=code, session=session, unheard=self.notes.unheard)
            return

    async def _turn(
        self, processes: Processes, words: str, session: str
    ) -> AsyncGenerator[AgentNews | Finished]:
        """One run of the program; the last thing is how it finished, where it did by itself."""
        reading = self.reading
        reading.turn, reading.error, self.printed = "none", "", ""
        self.leave_by = None
        command = self.launch.turn(words, session)
        idle = self.settings.idle_timeout
        place = self.place
        finished: Finished | None = None
        talking = open_talk(processes, command, patience=idle, inbox=place.inbox, up=place.up)
        async with talking as talk:
            while self.verdict is None and finished is None:
                talk.patience = self._patience()
                talk.due = self.until if self.leave_by is None else self.leave_by
                match await talk.hear():
                    case Line(value=event):
                        for item in reading.heard(event):
                            yield item
                        self._look_at_turn()
                    case Noise(text=line, stream=stream):
                        self.printed = f"{self.printed}{line}\n"[-_TAIL:]
                        if not line.startswith(_REMARKS):
                            yield Said(f"{line}\n", "stderr" if stream == "stderr" else "stdout")
                        if self._lost_our_tools(line):
                            why = "[it cannot reach the tools of massgen, and goes on without]\n"
                            yield Said(why, "stderr")
                    case Note(text=note):
                        self.notes.add(note)
                    case Halt():
                        self.verdict = self._stopped()
                    case Quiet():
                        self._too_quiet()
                    case Due():
                        if self.leave_by is not None:
                            break  # it is done and does not go: leaving ends it
                        self._out_of_time()
                    case Gone(finished=finished):
                        pass
        for item in talk.unheard():
            self._hear(item)
        if finished is not None:
            if finished.survivors:
                left = f"[{finished.survivors} processes outlived it and were ended]\n"
                yield Said(left, "stderr")
            yield finished

    def _opening(self) -> str:
        """The first thing that is said."""
        schema = self.brief.schema
        wanted = wish(schema) if schema is not None else ""
        parts = (self.launch.prelude, self.brief.prompt, wanted)
        return "\n\n".join(part for part in parts if part)

    # ── what comes in ───────────────────────────────────────────────────────────────────────

    def _patience(self) -> float:
        if self.leave_by is not None:
            return math.inf
        idle = self.settings.idle_timeout
        return min(self.offline, idle) if self.reading.offline else idle

    def _out_of_time(self) -> None:
        why = f"did not end within {self.limit:g} s and was ended; `timeout` sets the limit"
        self.verdict = self._timed_out(why)

    def _too_quiet(self) -> None:
        if self.reading.offline:
            self.verdict = self._failed("network", self.reading.error)
        else:
            said = f"nothing was heard for {self.settings.idle_timeout:g} s"
            self.verdict = self._timed_out(explained("timeout", said, ADVICE))

    def _look_at_turn(self) -> None:
        """Is it over, or has it gone on for too long?"""
        if self.leave_by is None and self.reading.turn in {"completed", "failed"}:
            self.leave_by = asyncio.get_running_loop().time() + FAREWELL
        most = self.settings.max_turns
        if most is not None and self.reading.uses > most and self.reading.turn == "running":
            self.verdict = self._failed("turns", f"it used more than {most} tools")

    def _lost_our_tools(self, line: str) -> bool:
        """Whether it says, for the first time, that our tools cannot be had."""
        lost = self.place.access is not None and not self.toolless and "ERROR rmcp::" in line
        self.toolless = self.toolless or lost
        return lost

    def _take_rest(self) -> None:
        inbox = self.place.inbox
        while inbox is not None and (item := inbox.take()) is not None:
            self._hear(item)

    def _hear(self, item: Note | Halt) -> None:
        if isinstance(item, Note):
            self.notes.add(item.text)
        elif self.verdict is None:
            self.verdict = self._stopped()

    # ── the end ─────────────────────────────────────────────────────────────────────────────

    @property
    def _summary(self) -> str:
        return shorten(self.reading.last, _SUMMARY)

    def _stopped(self) -> Ended:
        return Ended("done", STOPPED, summary=self._summary)

    def _timed_out(self, why: str) -> Ended:
        return Ended("timed_out", why, summary=self._summary, failure="timeout")

    def _failed(self, kind: FailureKind | None, said: str) -> Ended:
        return Ended(
            "failed",
            explained(kind, said, ADVICE),
            summary=self._summary,
            failure=kind,
            retry_after=retry_after(said),
        )

    def _ended(self, finished: Finished | None) -> Ended:
        """After a run that nobody stopped."""
        reading = self.reading
        match reading.turn:
            case "completed" if reading.last or reading.uses:
                return Ended("done", summary=self._summary)
            case "completed":
                return self._failed("protocol", "its model answered with nothing")
            case "failed":
                return self._failed(kind_of(None, reading.error), reading.error)
            case _:
                return self._vanished(finished)

    def _vanished(self, finished: Finished | None) -> Ended:
        """It has ended without saying how its turn did."""
        said = self.printed.strip() or self.reading.error
        code = finished.exit_code if finished is not None else 0
        number = -code if code < 0 else code - 128 if 128 < code < 160 else 0
        if number:
            how = f"it was ended by {signal_name(number)}"
            return Ended("failed", f"{how}: {said}" if said else f"{how}.", failure="crashed")
        if "no rollout found" in said:
            why = "the conversation that it should go on with is gone: start the task anew."
            return Ended("failed", why, failure="config")
        if code and self.reading.turn == "none":
            kind = kind_of(None, said) or "config"
        else:
            kind = kind_of(None, said) or ("crashed" if code else "protocol")
        return self._failed(kind, said or f"it ended with exit code {code} and no result")


def _unusable(wrong: str) -> Ended:
    why = f"it gave no answer that can be used ({wrong}): use another model for judging."
    return Ended("failed", why, failure="protocol")


def _unstartable(program: str, error: OSError) -> Ended:
    if isinstance(error, FileNotFoundError) and str(error.filename or program) == program:
        why = f"the program {program!r} was not found: {INSTALL}, or correct `program`."
        return Ended("missing", why, failure="missing")
    why = f"the program {program!r} cannot be started: {error.strerror or error}"
    if error.errno == errno.EACCES:
        why = f"{why}. Make it executable (chmod +x)"
    elif error.filename:
        why = f"{why}: {error.filename}"
    return Ended("missing", f"{why}.", failure="missing")


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
