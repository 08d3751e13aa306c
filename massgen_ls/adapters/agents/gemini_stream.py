"""Gemini CLI without a conversation: one run for each prompt, told as ``stream-json``.

For programs that are too old for ACP, or where it is configured. What is lost: nobody can be asked
while it runs, so what it may do is settled before the start (`place.approve` is asked once for
commands and once for edits), and our tools are not given to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from massgen_ls.adapters.agents.acp_order import Launch
from massgen_ls.adapters.agents.answers import again, answer, wish
from massgen_ls.adapters.agents.coding import FAREWELL, CodingSettings
from massgen_ls.adapters.agents.failing import explained, kind_of, retry_after
from massgen_ls.adapters.agents.gemini_events import Told
from massgen_ls.adapters.agents.instructions import instructions
from massgen_ls.adapters.agents.members import NOTHING, inner, text
from massgen_ls.adapters.agents.notes import Notes
from massgen_ls.adapters.agents.surroundings import Surroundings
from massgen_ls.adapters.agents.talk import Due, Gone, Line, Noise, Quiet, open_talk
from massgen_ls.core.budget import Usage
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.permissions import Action
from massgen_ls.ports import (
    STOPPED,
    AgentNews,
    Brief,
    Command,
    Ended,
    Halt,
    Note,
    Place,
    Processes,
    Said,
)

_ASKED = 3
_EDITS = ("write_file", "replace")
_CODES: dict[int, FailureKind] = {41: "auth", 42: "config", 52: "config", 53: "turns", 55: "config"}
_TAIL = 2000
_POLICY = os.path.join(".gemini", "policies", "massgen.toml")
"""What it may do without asking: it looks there in a home that we made."""
_UNTRUSTED = 55
_NOT_TRUSTED = (
    "your own settings (`security.folderTrust`, on by default) let it work in folders that you "
    "trust only, and a worktree is new each time: use `protocol: acp`"
)


@dataclass(slots=True)
class _Run:
    """Where an attempt stands between the runs of the program."""

    launch: Launch
    settings: CodingSettings
    brief: Brief
    place: Place
    until: float
    limit: float
    command: Command
    session: str
    usage: Usage
    notes: Notes
    halted: bool = False
    last: str = ""


class GeminiStream:
    """Runs one attempt without ACP.

    Args:
        processes: Starts the program.
        surroundings: Our own side, of which it sees only what is allowed.
    """

    def __init__(self, processes: Processes, surroundings: Surroundings) -> None:
        self._processes = processes
        self._around = surroundings

    async def attempt(
        self, launch: Launch, settings: CodingSettings, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews]:
        """The news of one attempt; the last is its `Ended`."""
        limit = min(place.timeout, settings.timeout or place.timeout)
        until = asyncio.get_running_loop().time() + limit
        try:
            launch = replace(launch, files=await _allowed(launch, brief, place))
            told = await asyncio.to_thread(instructions, place, launch.instructions)
            command = await asyncio.to_thread(launch.command, self._around, brief, place)
        except OSError as error:
            yield Ended("failed", f"its home {place.home} cannot be prepared: {error.strerror}")
            return
        if place.access is not None:
            yield Said("[Gemini CLI works without massgen's tools over stream-json]\n", "stderr")
        run = _Run(
            launch, settings, brief, place, until, limit,
            replace(command, cwd=place.folder), brief.session, Usage(), Notes(),
        )  # fmt: skip
        words = brief.prompt
        if not brief.session:
            parts = (brief.system, told, words)
            words = "\n\n".join(part for part in parts if part)
        if brief.schema is not None:
            words = f"{words}\n\n{wish(brief.schema)}"
        asked = 1
        while True:
            ended: Ended | None = None
            async with contextlib.aclosing(self._once(run, words)) as news:
                async for item in news:
                    if isinstance(item, Ended):
                        ended = item
                    else:
                        yield item
            assert ended is not None
            if ended.outcome != "done" or run.halted:
                yield replace(ended, unheard=run.notes.unheard)
                return
            if words := run.notes.next_turn():
                continue
            if brief.schema is None:
                yield ended
                return
            value, wrong = answer(run.last, brief.schema)
            if not wrong:
                yield replace(ended, answer=value)
                return
            if asked == _ASKED:
                said = f"its answer cannot be used: {wrong}"
                yield _failed(run, "protocol", said)
                return
            asked += 1
            words = again(wrong, brief.schema)

    async def _once(self, run: _Run, words: str) -> AsyncGenerator[AgentNews]:
        argv = _argv(run)
        command = replace(run.command, argv=argv, stdin=words.encode("utf-8", "replace"),
                          keep_stdin=False)  # fmt: skip
        told = Told(run.place.path, run.usage)
        printed = ""
        late = quiet = False
        code: int | None = None
        loop = asyncio.get_running_loop()
        try:
            async with open_talk(
                self._processes,
                command,
                patience=run.settings.idle_timeout,
                inbox=run.place.inbox,
                up=run.place.up,
            ) as talk:
                while True:
                    if told.result is None:
                        talk.due = run.until
                    elif talk.due == run.until:
                        talk.due = loop.time() + FAREWELL
                    match await talk.hear():
                        case Line(value=event):
                            for news in told.heard(event):
                                yield news
                        case Noise(text=line, stream=stream):
                            printed = f"{printed}{line}\n"[-_TAIL:]
                            yield Said(f"{line}\n", "stderr" if stream == "stderr" else "stdout")
                        case Note(text=note):
                            run.notes.add(note)
                        case Halt():
                            run.halted = True
                            break
                        case Due():
                            late = told.result is None
                            break
                        case Quiet():
                            quiet = told.result is None
                            break
                        case Gone(finished=finished):
                            code = finished.exit_code
                            break
        except FileNotFoundError as error:
            yield _missing(run, error)
            return
        except MassgenError as error:
            yield Ended("failed", str(error), failure="config")
            return
        except OSError as error:
            why = f"{run.launch.name} cannot be started: {error.strerror or error}."
            yield Ended("failed", why, failure="missing")
            return
        for item in talk.unheard():
            if isinstance(item, Note):
                run.notes.add(item.text)
            else:
                run.halted = True
        for news in told.flush():
            yield news
        run.usage = told.usage if told.result is not None else run.usage
        run.session = told.session or run.session
        run.last = told.last or run.last
        if run.halted:
            yield Ended("done", STOPPED, summary=told.summary, session=run.session)
        elif late:
            why = f"did not end within {run.limit:g} s and was ended; `timeout` sets the limit"
            yield _timed_out(run, why)
        elif quiet:
            said = f"silent for {run.settings.idle_timeout:g} s"
            yield _timed_out(run, explained("timeout", said, run.launch.advice))
        else:
            yield _verdict(run, told, printed, code)


def _argv(run: _Run) -> tuple[str, ...]:
    program, rest = run.launch.argv[0], run.launch.argv[2:]
    model = ("-m", run.settings.model) if run.settings.model else ()
    resume = ("--resume", run.session) if run.session else ()
    # In the user's own home nothing of ours is written; versions before 0.60 do not know this.
    named = ("--policy", os.path.join(run.place.home, _POLICY))
    policy = named if run.launch.home else ()
    return (program, "-p", "", "--output-format", "stream-json", *policy, *model, *resume, *rest)


async def _allowed(launch: Launch, brief: Brief, place: Place) -> dict[str, str]:
    """Its files, with a policy of what it may do without asking."""
    name = os.path.join(".gemini", "settings.json")
    files = dict(launch.files)
    # With folder trust on, an untrusted folder ends the program; what is not trusted is still
    # told by its variable, which is the stronger.
    if name in files:
        kept = json.loads(files[name])
        kept["security"]["folderTrust"]["enabled"] = False
        kept["experimental"] = {"enableAgents": False}
        files[name] = json.dumps(kept, indent=1)
    rules: list[str] = []
    if brief.schema is None and place.approve is not None:
        edit = Action("edit", place.path, "edits without asking")
        if not launch.denied & {"edit", "*"} and (await place.approve(edit)).word == "allow":
            rules += _EDITS
        run = Action("run", "*", "commands without asking")
        if not launch.denied & {"run", "*"} and (await place.approve(run)).word == "allow":
            rules.append("run_shell_command")
    files[_POLICY] = "".join(
        f'[[rule]]\ntoolName = "{rule}"\ndecision = "allow"\npriority = 900\n'
        "allowRedirection = true\n\n"
        for rule in rules
    )
    return files


def _verdict(run: _Run, told: Told, printed: str, code: int | None) -> Ended:
    result = told.result
    if result is not None and result.get("status") == "success" and not told.errors:
        if not told.last and not told.acted:
            said = "it ended without a word and without doing anything"
            return replace(_failed(run, "protocol", said), exit_code=code)
        return Ended("done", exit_code=code, summary=told.summary, session=run.session)
    error = inner(result or NOTHING, "error")
    said = text(error, "message") or "; ".join(told.errors) or printed[-600:]
    if code == _UNTRUSTED and run.launch.home:
        said = _NOT_TRUSTED
    kind = kind_of(None, f"{text(error, 'type')} {said}")
    if "TurnLimited" in text(error, "type"):
        kind = "turns"
    if kind is None and code is not None:
        kind = _CODES.get(code)
    if kind is None and result is None:
        kind = "protocol"
    return replace(_failed(run, kind, said or f"exit code {code}"), exit_code=code)


def _failed(run: _Run, kind: FailureKind | None, said: str) -> Ended:
    return Ended(
        "failed", explained(kind, said, run.launch.advice), summary=run.last, failure=kind,
        retry_after=retry_after(said), session=run.session,
    )  # fmt: skip


def _timed_out(run: _Run, why: str) -> Ended:
    return Ended("timed_out", why, summary=run.last, failure="timeout", session=run.session)


def _missing(run: _Run, error: FileNotFoundError) -> Ended:
    program = run.launch.argv[0]
    if error.filename and str(error.filename) != program:
        why = f"{program!r}: {error.strerror}: {error.filename}"
    else:
        why = f"the program {program!r} was not found. {run.launch.install}"
    return Ended("missing", why, failure="missing")
