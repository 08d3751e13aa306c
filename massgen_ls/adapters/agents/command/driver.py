"""Any program that edits files is an agent: give it the task, run it in the worktree, look after.

The ``backend`` block of such an agent::

    type: command
    argv: [aider, --yes, --message-file, "{prompt_file}", "{file}"]    # see `argv` for placeholders
    stdin: prompt            # or none
    prompt_file: false       # write the prompt to a file even if no placeholder asks for it
    env: [OPENAI_API_KEY]    # names of variables to pass on; everything else is left out
    timeout: 600             # seconds
    ok_exit_codes: [0, 1]    # what counts as success; [0] by default
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from massgen_ls.adapters.agents.attempt.frame import outlived, unstartable
from massgen_ls.adapters.agents.command.argv import BadArgvError, Values, rounds, uses
from massgen_ls.adapters.agents.program.speech import Speech, signal_name, tail
from massgen_ls.adapters.agents.program.surroundings import Surroundings, make_home, write_private
from massgen_ls.adapters.agents.program.talk import beside
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import (
    STOPPED,
    AgentNews,
    Brief,
    Command,
    Ended,
    Finished,
    Halt,
    Health,
    Inbox,
    Place,
    Processes,
    Running,
)

PROMPT_FILE = "massgen-prompt.md"
KEEP = 64 * 1024
"""Bytes of each stream: for the reason of a failure and the summary. The rest was streamed."""


@dataclass(frozen=True, slots=True)
class _Settings:
    argv: tuple[str, ...]
    prompt_on_stdin: bool
    prompt_file: bool
    env: tuple[str, ...]
    timeout: float | None
    ok: frozenset[int]

    @classmethod
    def of(cls, settings: Mapping[str, Json]) -> _Settings:
        """Reads the ``backend`` block, which the configuration has validated already."""
        argv = _texts(settings.get("argv"))
        if not argv:
            raise BadArgvError("`argv` is missing or empty; it is a list of words")
        timeout = settings.get("timeout")
        codes = settings.get("ok_exit_codes")
        return cls(
            argv=argv,
            prompt_on_stdin=settings.get("stdin", "prompt") == "prompt",
            prompt_file=bool(settings.get("prompt_file")) or uses(argv, "prompt_file"),
            env=_texts(settings.get("env")),
            timeout=float(timeout) if isinstance(timeout, int | float) else None,
            ok=frozenset(code for code in codes if isinstance(code, int))
            if isinstance(codes, list)
            else frozenset({0}),
        )


class CommandDriver:
    """Runs command agents; implements `ports.Driver`.

    Args:
        processes: Starts the programs.
        environ: Our own environment, of which an agent sees only what is allowed.
        python: The interpreter that ``{python}`` stands for; its folder leads the agents' PATH, so
            that tools which are installed beside us are found.
    """

    def __init__(self, processes: Processes, environ: Mapping[str, str], python: str) -> None:
        self._processes = processes
        self._around = Surroundings(environ, python)
        self._python = python

    briefed = False
    hears = False
    heavy = False

    async def attempt(
        self, spec: AgentSpec, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews]:
        """Runs the agent once. Closing the iterator ends it and all its processes."""
        try:
            settings = _Settings.of(spec.settings)
            argvs = await asyncio.to_thread(self._prepare, settings, brief, place)
        except BadArgvError as error:
            yield Ended("failed", f"{error}. Correct the agent {spec.id!r} in the configuration.")
            return
        except OSError as error:
            yield Ended("failed", f"its home {place.home} cannot be prepared: {error.strerror}")
            return
        if not argvs:
            yield Ended("done", summary="No file of the scope is of its kind: nothing to do.")
            return
        env = self._around.env(place, brief.seat, settings.env)
        limit = min(place.timeout, settings.timeout or place.timeout)
        until = asyncio.get_running_loop().time() + limit
        last = Ended("done")
        for argv in argvs:
            command = Command(
                argv=argv,
                cwd=place.folder,
                env=env,
                stdin=brief.prompt.encode("utf-8", "replace") if settings.prompt_on_stdin else None,
                timeout=max(0.0, until - asyncio.get_running_loop().time()),
                keep=KEEP,
                fence=place.fence,
            )
            turn = self._round(command, settings, limit, place.inbox)
            async with contextlib.aclosing(turn) as news:
                async for item in news:
                    if isinstance(item, Ended):
                        last = item
                    else:
                        yield item
            if last.outcome != "done" or last.reason:
                break
        yield last

    async def health(self, spec: AgentSpec) -> Health:
        """Looks for the program on the PATH that the agent would have."""
        try:
            settings = _Settings.of(spec.settings)
        except BadArgvError as error:
            return Health(spec.id, ok=False, found="nothing to run", hint=f"{error}.")
        name = settings.argv[0].replace("{python}", self._python)
        unset = [key for key in settings.env if key not in self._around.environ]
        hint = f"Not set in the environment: {', '.join(unset)}." if unset else ""
        if os.sep in name and not os.path.isabs(name):
            return Health(spec.id, ok=True, found=f"{name} (in the worktree)", hint=hint)
        path = await asyncio.to_thread(self._around.find, name)
        if path is None:
            return Health(spec.id, ok=False, found=f"{name} not found", hint=_missing(name))
        return Health(spec.id, ok=True, found=path, hint=hint)

    async def _round(
        self, command: Command, settings: _Settings, limit: float, inbox: Inbox | None
    ) -> AsyncGenerator[AgentNews]:
        halted = False

        async def stop_when_told(running: Running) -> None:
            nonlocal halted
            while inbox is not None:
                # It can be told nothing else: a program reads no messages.
                if isinstance(await inbox.receive(), Halt):
                    halted = True
                    await running.stop()

        speech = {"stdout": Speech("stdout"), "stderr": Speech("stderr")}
        name = command.argv[0]
        try:
            async with (
                self._processes.start(command) as running,
                beside(stop_when_told(running)),
            ):
                async with contextlib.aclosing(running.output()) as output:
                    async for piece in output:
                        if said := speech[piece.stream].heard(piece):
                            yield said
                finished = await running.wait()
        except FileNotFoundError as error:
            yield Ended("missing", unstartable(name, error, _missing(name)))
            return
        except MassgenError as error:
            yield Ended("failed", str(error))
            return
        except OSError as error:
            why = unstartable(name, error, _missing(name))
            if error.errno == errno.E2BIG:
                why = f"{why} Use `stdin: prompt` or `{{prompt_file}}` instead of `{{prompt}}`."
            yield Ended("failed", why)
            return
        for item in outlived(finished):
            yield item
        if halted:
            code = finished.exit_code
            yield Ended("done", STOPPED, code, tail(finished.stdout))
        else:
            yield _verdict(finished, settings.ok, limit)

    def _prepare(self, settings: _Settings, brief: Brief, place: Place) -> list[tuple[str, ...]]:
        make_home(place)
        prompt_file = os.path.join(place.home, PROMPT_FILE)
        if settings.prompt_file:
            write_private(prompt_file, brief.prompt)
        values = Values(
            task=brief.task,
            prompt=brief.prompt,
            python=self._python,
            worktree=place.path,
            folder=place.folder,
            prompt_file=prompt_file,
        )
        return rounds(settings.argv, values)


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _missing(name: str) -> str:
    return f"Install it, or correct `argv`: {name!r} is looked for on PATH."


def _verdict(finished: Finished, ok: frozenset[int], limit: float) -> Ended:
    code = finished.exit_code
    last = tail(finished.stderr) or tail(finished.stdout)
    said = f": {last}" if last else ""
    if finished.timed_out:
        why = f"did not end within {limit:g} s and was ended; `timeout` sets the limit{said}"
        return Ended("timed_out", why, code)
    if code in ok:
        return Ended("done", exit_code=code, summary=tail(finished.stdout))
    if code < 0:
        return Ended("failed", f"was ended by {signal_name(-code)}{said}", code)
    # In a sandbox, and from a shell, a signal comes as 128 + its number.
    by = f" ({signal_name(code - 128)})" if 128 < code < 160 else ""
    return Ended("failed", f"exit code {code}{by}{said}", code)
