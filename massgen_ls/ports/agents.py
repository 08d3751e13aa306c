"""The sockets of agents and checks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from massgen_ls.core.budget import Usage
from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.events import AttemptOutcome
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.permissions import Action, Decision
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CheckSpec,
    Json,
    RunId,
    SeatId,
    Task,
)
from massgen_ls.ports.host import Fence


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that belongs to the task, as a file that the agent may read."""

    name: str
    media_type: str
    path: str


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent is given."""

    task: Task
    seat: SeatId
    attempt: int
    prompt: str
    """The full text for the agent: the task, its scope and, for agents that read them
    (`Driver.briefed`), the rules of the worktree and what counts as done."""
    system: str = ""
    """The configured system message, for agents that take it apart from the task; nothing of it is
    in ``prompt`` then."""
    session: str = ""
    """An agent's own name for a conversation to go on with (`Ended.session`), in the same
    worktree; then ``prompt`` is only what is new."""
    origin: str = ""
    """An agent's own name for a conversation of an earlier run, which it may still have: then it
    goes on with a copy, so that others can go on from there too, and is told ``onward``.
    ``prompt`` does without it."""
    past: str = ""
    """A file in its home with that conversation, as its own program wrote it down; may be empty."""
    onward: str = ""
    """``prompt`` without what was said and done in `origin`."""
    schema: Mapping[str, Json] | None = None
    """A JSON schema: the agent is asked for a judgement and not for work, and its answer is in
    `Ended.answer`. It needs no tool for that and must not change a file."""
    pictures: tuple[Picture, ...] = ()
    """To be shown to an agent that can see; ``prompt`` names them already."""


@dataclass(frozen=True, slots=True)
class Note:
    """A message for an agent at work."""

    text: str


@dataclass(frozen=True, slots=True)
class Halt:
    """The agent shall stop where it is; what it has done counts as its answer."""


Message = Note | Halt


class Inbox(Protocol):
    """What is said to an agent while it works. One reader."""

    async def receive(self) -> Message:
        """Waits for the next message. Cancelling the wait loses nothing."""
        ...

    def take(self) -> Message | None:
        """The next message if there is one already."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """One seat's way to our tools: an MCP server (streamable HTTP) on loopback."""

    url: str
    token: str
    """Goes into ``Authorization: Bearer …``; good for this seat alone, dead with its attempt."""
    name: str = "massgen"
    """What the server shall be called; its tools appear as ``mcp__massgen__…`` to most agents."""
    tools: tuple[str, ...] = ()
    """Names of the tools behind it."""


Approve = Callable[[Action], Awaitable[Decision]]
"""Answers an agent that asks whether it may: always ``allow`` or ``deny`` in the end."""


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
    confined: bool = False
    """Whether ``fence`` is really kept here by a sandbox."""
    instructions: bool = True
    """Whether the agent is given the repository's own AGENTS.md, CLAUDE.md or GEMINI.md: one way
    or the other, as its users expect, and once."""
    trusted: bool = False
    """Whether the agent may load the project's own settings (hooks, servers, permissions)."""
    access: Access | None = None
    """Our tools, where there are any for it."""
    approve: Approve | None = None
    """None: nobody asks; a driver then allows nothing that its agent asks for."""
    inbox: Inbox | None = None
    up: Callable[[], None] | None = None
    """To be called when its program has said the first word: then the next one may start. It may
    be called again, and any news does the same."""


@dataclass(frozen=True, slots=True)
class Said:
    """An agent printed or said something: live noise."""

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"


@dataclass(frozen=True, slots=True)
class Spoke:
    """A whole message of an agent, to be kept; its pieces may have come as `Said` before."""

    text: str
    thinking: bool = False


@dataclass(frozen=True, slots=True)
class Acted:
    """An agent uses a tool."""

    action: str
    """``read``, ``edit``, ``write``, ``run``, ``search``, ``fetch``, ``think``, ``move``,
    ``delete``; its own name for what is none of these."""
    target: str = ""
    """The path (relative to the worktree's top where it lies in it) or the command line."""
    detail: str = ""
    """What was put in beyond the target, as text: the new lines, the question."""
    call: str = ""
    """The agent's own name for this use, for its `Returned`."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The result of a use of a tool."""

    call: str
    text: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What the attempt has spent so far, all in all: each report replaces the one before."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over: always the last news, and always exactly one."""

    outcome: AttemptOutcome
    reason: str = ""
    exit_code: int | None = None
    summary: str = ""
    """What the agent says it did, in a few sentences."""
    failure: FailureKind | None = None
    """What kind of failure it was; None for success, and where it is not known."""
    retry_after: float | None = None
    """Seconds that the agent's service asked to wait."""
    answer: Json = None
    """The judgement that `Brief.schema` asked for, valid by it; None when none was given."""
    session: str = ""
    """The agent's own name for the conversation, when one can go on with it."""
    conversation: str = ""
    """A file in its home that holds it: all that a program of its kind needs to go on with it."""
    unheard: tuple[str, ...] = ()
    """Texts of notes that were taken from the inbox and did not reach the agent, as far as is
    known: who was promised that they are told can say them again."""


STOPPED = "stopped on request"
"""`Ended.reason` of an agent that obeyed a `Halt`; its outcome is ``done``."""

AgentNews = Said | Spoke | Acted | Returned | Used | Ended


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an agent could start now, found out without spending anything."""

    agent: AgentId
    ok: bool
    found: str
    """What was found: a path, a version."""
    hint: str = ""
    """What to do when it is not ok."""
    version: str = ""
    """The program's version, where it could be told cheaply."""
    sure: bool = True
    """False: it could start, and no login or key is seen that would let it work."""


class Driver(Protocol):
    """Code that talks to one kind of agent."""

    @property
    def briefed(self) -> bool:
        """Whether its agents are told the rules of the worktree; programs get the task alone."""
        ...

    @property
    def hears(self) -> bool:
        """Whether its agents can be told something while they work. All obey a `Halt`."""
        ...

    @property
    def heavy(self) -> bool:
        """Whether starting one takes a core for a while: such starts are staggered."""
        ...

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


class Approver(Protocol):
    """A person who can be asked."""

    async def ask(self, run: RunId, seat: SeatId, action: Action, reason: str) -> bool:
        """Whether the action is allowed; False when nobody answers in time."""
        ...


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that we offer to agents."""

    name: str
    description: str
    schema: Mapping[str, Json]
    """JSON schema of its arguments, an object."""


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool returns to the agent, as text."""

    text: str
    ok: bool = True


class Toolbox(Protocol):
    """One seat's tools."""

    @property
    def specs(self) -> Sequence[ToolSpec]:
        """What there is."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Json]) -> ToolAnswer:
        """Uses one. Bad arguments are an answer that is not ok, never an exception."""
        ...


class Endpoint(Protocol):
    """Where agents reach our tools."""

    def open(self, toolbox: Toolbox) -> AbstractAsyncContextManager[Access]:
        """Gives a toolbox an address and a token of its own, as long as the context lasts."""
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
