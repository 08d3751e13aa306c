"""What drivers of coding agents do alike: an attempt in its frame, a look at the program."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace

from massgen_ls.adapters.agents.attempt.failing import Advice
from massgen_ls.adapters.agents.attempt.frame import Frame
from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.program.installed import version_of
from massgen_ls.adapters.agents.program.surroundings import Surroundings
from massgen_ls.core.task import AgentSpec
from massgen_ls.ports import AgentNews, Brief, Health, Place, Processes


@dataclass(frozen=True, slots=True)
class Program:
    """The program that a driver drives."""

    name: str
    """What it is called by default."""
    install: str
    """What to do when it is not there, a whole sentence."""
    advice: Advice
    version: Callable[[str], str] = version_of
    """Reads its version off the path of an installed one, without starting it."""


@dataclass(frozen=True, slots=True)
class Login:
    """What there is to log in with, as far as that can be seen without asking anybody."""

    ok: bool = True
    hint: str = ""
    """What to do about it, where something is missing."""
    seen: str = ""
    """What was found, for people."""
    sure: bool = True
    """False: nothing was found, and where it was looked for is not the only place."""


class CodingDriver(ABC):
    """Runs coding agents of one kind; implements `ports.Driver`.

    Args:
        processes: Starts the program.
        around: Our environment, of which it sees only what is allowed.
    """

    briefed = True
    hears = True
    heavy = True

    def __init__(self, program: Program, processes: Processes, around: Surroundings) -> None:
        self._program = program
        self._processes = processes
        self._around = around

    @abstractmethod
    def news(self, spec: AgentSpec, frame: Frame) -> AsyncGenerator[AgentNews]:
        """What comes of an attempt, its end last. Raises what `Frame.kept` expects."""

    @abstractmethod
    def login(self, settings: CodingSettings) -> Login:
        """Looks for a way to log in, by name. Reads the disk: for a thread."""

    def attempt(self, spec: AgentSpec, brief: Brief, place: Place) -> AsyncGenerator[AgentNews]:
        """Runs the agent once. Closing the iterator ends it and all its processes."""
        settings = CodingSettings.of(spec, self._program.name)
        known = self._program
        advice = known.advice
        if settings.login == "user" and advice.user:
            advice = replace(advice, login=advice.user)
        frame = Frame(settings.program, known.install, advice, settings, brief, place)
        return frame.kept(self.news(spec, frame))

    async def health(self, spec: AgentSpec) -> Health:
        """Looks for the program and for a way to log in; starts and reads nothing else."""
        return await asyncio.to_thread(self._health, spec)

    def _health(self, spec: AgentSpec) -> Health:
        settings = CodingSettings.of(spec, self._program.name)
        path = self._around.find(settings.program)
        if path is None:
            found = f"{settings.program} not found"
            return Health(spec.id, ok=False, found=found, hint=self._program.install)
        login = self.login(settings)
        found = f"{path}; {login.seen}" if login.seen else path
        version = self._program.version(path)
        return Health(spec.id, login.ok, found, hint=login.hint, version=version, sure=login.sure)

    def _unset(self, settings: CodingSettings) -> str:
        """Which variables are configured and not there, as a sentence; empty: none."""
        unset = [name for name in settings.env if not self._around.environ.get(name)]
        return f"Not set in the environment: {', '.join(unset)}." if unset else ""
