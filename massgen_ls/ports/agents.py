"""The sockets of agents and checks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.events import AttemptOutcome
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CheckSpec,
    RunId,
    SeatId,
    Task,
)
from massgen_ls.ports.host import Fence


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent is given."""

    task: Task
    seat: SeatId
    attempt: int
    prompt: str
    """The full text for the agent: the task, its scope and the rules of the worktree."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent works."""

    path: str
    """The worktree's top."""
    folder: str
    """Where it starts: the user's folder in the worktree."""
    home: str
    """Its private HOME."""
    run: RunId
    timeout: float
    """Seconds that it may take."""
    fence: Fence | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """An agent printed or said something: live noise."""

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"


@dataclass(frozen=True, slots=True)
class Acted:
    """An agent used a tool."""

    action: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over: always the last news, and always exactly one."""

    outcome: AttemptOutcome
    reason: str = ""
    exit_code: int | None = None
    summary: str = ""
    """What the agent says it did, in a few sentences."""


AgentNews = Said | Acted | Ended


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an agent could start now, found out without spending anything."""

    agent: AgentId
    ok: bool
    found: str
    """What was found: a path, a version."""
    hint: str = ""
    """What to do when it is not ok."""


class Driver(Protocol):
    """Code that talks to one kind of agent."""

    def attempt(
        self, spec: AgentSpec, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews, None]:
        """Runs the agent once. Closing the iterator ends it and all its processes.

        Never raises for what the agent does wrong: that is `Ended`.
        """
        ...

    async def health(self, spec: AgentSpec) -> Health:
        """Looks whether it could start; under half a second, no network, no cost."""
        ...


class Checker(Protocol):
    """Runs a check in a worktree."""

    async def run(
        self,
        check: CheckSpec,
        tree: TreeId,
        place: Place,
        say: Callable[[Said], None],
    ) -> CheckResult:
        """Runs it once; what goes wrong is in the result's outcome."""
        ...
