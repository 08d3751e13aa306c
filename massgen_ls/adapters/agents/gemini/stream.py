"""Gemini CLI without a conversation: one run for each prompt, told as ``stream-json``.

For programs that are too old for ACP, or where it is configured. What is lost: nobody can be asked
while it runs, so what it may do is settled before the start (`place.approve` is asked once for
commands and once for edits), and our tools are not given to it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from massgen_ls.adapters.agents.acp.order import Launch
from massgen_ls.adapters.agents.attempt.answers import wish
from massgen_ls.adapters.agents.attempt.failing import kind_of
from massgen_ls.adapters.agents.attempt.frame import Frame, prepared
from massgen_ls.adapters.agents.attempt.instructions import instructions
from massgen_ls.adapters.agents.attempt.runs import Run
from massgen_ls.adapters.agents.gemini.events import Told
from massgen_ls.adapters.agents.program.members import NOTHING, Object, inner, text
from massgen_ls.adapters.agents.program.surroundings import Surroundings
from massgen_ls.core.budget import Usage
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.permissions import Action
from massgen_ls.ports import AgentNews, Brief, Command, Ended, Place, Processes, Said

_EDITS = ("write_file", "replace")
_CODES: dict[int, FailureKind] = {41: "auth", 42: "config", 52: "config", 53: "turns", 55: "config"}
_POLICY = os.path.join(".gemini", "policies", "massgen.toml")
"""What it may do without asking: it looks there in a home that we made."""
_UNTRUSTED = 55
_NOT_TRUSTED = (
    "your own settings (`security.folderTrust`, on by default) let it work in folders that you "
    "trust only, and a worktree is new each time: use `protocol: acp`"
)


class GeminiStream:
    """Runs one attempt without ACP.

    Args:
        processes: Starts the program.
        surroundings: Our own side, of which it sees only what is allowed.
    """

    def __init__(self, processes: Processes, surroundings: Surroundings) -> None:
        self._processes = processes
        self._around = surroundings

    async def attempt(self, launch: Launch, frame: Frame) -> AsyncGenerator[AgentNews]:
        """The news of one attempt; the last is its `Ended`. Raises what `Frame.kept` expects."""
        brief, place = frame.brief, frame.place
        launch = replace(launch, files=await _allowed(launch, brief, place))
        told = await prepared(place, instructions, place, launch.instructions)
        command = await prepared(place, launch.command, self._around, brief, place)
        if place.access is not None:
            yield Said("[Gemini CLI works without massgen's tools over stream-json]\n", "stderr")
        frame.session = brief.session
        work = _Work(self._processes, frame, launch, replace(command, cwd=place.folder))
        words = brief.prompt
        if not brief.session:
            parts = (brief.system, told, words)
            words = "\n\n".join(part for part in parts if part)
        if brief.schema is not None:
            words = f"{words}\n\n{wish(brief.schema)}"
        async with contextlib.aclosing(frame.turns(words, work.turn)) as news:
            async for item in news:
                yield item


@dataclass(slots=True)
class _Work:
    """One attempt: one turn or several."""

    processes: Processes
    frame: Frame
    launch: Launch
    command: Command
    usage: Usage = field(default_factory=Usage)

    async def turn(self, words: str) -> AsyncGenerator[AgentNews]:
        """One run of the program."""
        frame = self.frame
        said = words.encode("utf-8", "replace")
        command = replace(self.command, argv=self._argv(), stdin=said, keep_stdin=False)
        told = Told(frame.place.path, self.usage)
        run = _Run(frame, told)
        async with contextlib.aclosing(run.news(self.processes, command)) as news:
            async for item in news:
                yield item
        for item in told.flush():
            yield item
        self.usage = told.usage if told.result is not None else self.usage
        frame.session = told.session or frame.session
        frame.last = told.last or frame.last
        yield replace(run.verdict or self._ended(run, told), exit_code=run.code)

    def _argv(self) -> tuple[str, ...]:
        launch, frame = self.launch, self.frame
        model = ("-m", launch.model) if launch.model else ()
        resume = ("--resume", frame.session) if frame.session else ()
        # In the user's own home nothing of ours is written; versions before 0.60 do not know this.
        named = ("--policy", os.path.join(frame.place.home, _POLICY))
        policy = named if launch.home else ()
        more = (*policy, *model, *resume, *launch.argv[2:])
        return (launch.argv[0], "-p", "", "--output-format", "stream-json", *more)

    def _ended(self, run: Run, told: Told) -> Ended:
        """After a run that nobody stopped."""
        failed, result, code = self.frame.failed, told.result, run.code
        if result is not None and result.get("status") == "success" and not told.errors:
            if told.last or told.acted:
                return Ended("done")
            return failed("protocol", "it ended without a word and without doing anything")
        error = inner(result or NOTHING, "error")
        said = text(error, "message") or "; ".join(told.errors) or run.printed[-600:]
        if code == _UNTRUSTED and self.launch.home:
            said = _NOT_TRUSTED
        kind = kind_of(None, f"{text(error, 'type')} {said}")
        if "TurnLimited" in text(error, "type"):
            kind = "turns"
        kind = kind or _CODES.get(code or 0)
        if result is None and run.finished is not None:
            return self.frame.vanished(run.finished, said, kind)
        return failed(kind, said or f"exit code {code}")


class _Run(Run):
    """One run of Gemini CLI."""

    def __init__(self, frame: Frame, told: Told) -> None:
        super().__init__(frame)
        self._told = told

    def heard(self, event: Object) -> list[AgentNews]:
        """News of one event."""
        return self._told.heard(event)

    @property
    def over(self) -> bool:
        """Whether it has told its result."""
        return self._told.result is not None


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
