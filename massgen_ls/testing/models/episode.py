r"""The episode language: what a scripted model says and does, whichever program asks it.

An episode is a list of turns; a turn is what the model answers to ONE request::

    Episode(
        Turn(Text("I will greet."), Write("hello.txt", "Hello\n")),
        Turn(Refuse(429, headers={"retry-after": "1"})),
        Turn(Text("Done.")),
    )

Every request of a conversation takes the next turn, and a retry is a request too: here the program
is refused once and then hears "Done.". **The last turn is given for ever**, so a last turn that
refuses never lets anyone through, and a last turn with a tool in it never comes to an end.

Instead of an episode one may give a function ``(Request) -> Turn``.

What a model says: `Text`, `Thinking`, `Answer` (structured). What it does: `Write`, `Edit`, `Read`,
`Shell`, and `Native` for a tool by the program's own name. What goes wrong: `Refuse`, `TooLong`,
`Cut`, `Reset`, `Garbage`, `Silence`. `Wait` holds the turn until the test opens a `Gate`. Steps
happen in their order. Before the first word nothing is sent, not even a status, so a `Reset` or
`Silence` in front is a server that never answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any
"""A value as `json.loads` gives it."""


@dataclass(frozen=True)
class Text:
    """The model says this. It is streamed in a few pieces."""

    text: str


@dataclass(frozen=True)
class Thinking:
    """The model thinks this, where the API has a place for thoughts."""

    text: str


@dataclass(frozen=True)
class Answer:
    """The structured answer that the program was told to get (a schema), as a value of JSON.

    It goes the way that the program opened: a tool for it, or else text that is JSON.
    """

    value: Json


@dataclass(frozen=True)
class Write:
    """Makes or replaces a file. Paths are absolute or below the program's working directory."""

    path: str
    text: str


@dataclass(frozen=True)
class Edit:
    """Replaces ``old``, found once in the file, by ``new``; both are whole lines.

    Whole lines, because one of the programs edits by patches. Where a program insists that a file
    is read before it is edited, the server asks for that first, in the same turn.
    """

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Read:
    """Reads a file (with the shell, where the program has no tool for it)."""

    path: str


@dataclass(frozen=True)
class Shell:
    """Runs a shell command."""

    command: str


@dataclass(frozen=True)
class Native:
    """Uses the tool that the program itself calls ``name``, such as ``mcp__team__vote``."""

    name: str
    input: Mapping[str, Json] = field(default_factory=dict[str, Json])


class Gate:
    """A door that a test opens; nothing here ever waits for a length of time."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Lets everyone through, now and later."""
        self._opened.set()

    async def reached(self, timeout: float = 30) -> None:
        """Until a turn stands before the gate.

        Raises:
            TimeoutError: nobody came within ``timeout`` seconds.
        """
        async with asyncio.timeout(timeout):
            await self._reached.wait()

    async def passed(self) -> None:
        """Stands before the gate until it is open."""
        self._reached.set()
        await self._opened.wait()


@dataclass(frozen=True)
class Wait:
    """Holds the turn here until the gate is open, or the client has left."""

    gate: Gate


@dataclass(frozen=True)
class Refuse:
    """An HTTP error; after the first word, the error that the API puts into its stream.

    ``message`` and ``body`` are worded as the API does it, unless they are given.
    """

    status: int
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str | None = None


@dataclass(frozen=True)
class TooLong:
    """The conversation does not fit the model any more, in the words of the API."""


@dataclass(frozen=True)
class Cut:
    """The connection is closed in the middle of ``step`` (of its text, or of a tool's JSON)."""

    step: Said | None = None


@dataclass(frozen=True)
class Reset:
    """The connection is reset (TCP RST)."""


@dataclass(frozen=True)
class Garbage:
    """Bytes that are no event of this API."""

    bytes: bytes = b"\x00\xff<html>this is not the stream you are looking for\n\n"


@dataclass(frozen=True)
class Silence:
    """Nothing more, until the client leaves."""


Tool = Write | Edit | Read | Shell | Native
Said = Text | Thinking | Answer | Tool
Step = Said | Wait | Refuse | TooLong | Cut | Reset | Garbage | Silence


@dataclass(frozen=True)
class Usage:
    """Tokens, as the model reports them. ``input`` counts the ``cached`` ones too."""

    input: int = 1200
    output: int = 40
    cached: int = 0


@dataclass(frozen=True, init=False)
class Turn:
    """The answer to one request."""

    steps: tuple[Step, ...]
    usage: Usage

    def __init__(self, *steps: Step, usage: Usage | None = None) -> None:
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "usage", usage or Usage())


@dataclass(frozen=True, init=False)
class Episode:
    """The answers to one conversation, in order; the last one is given for ever."""

    turns: tuple[Turn, ...]

    def __init__(self, *turns: Turn) -> None:
        if not turns:
            raise ValueError("An episode needs a turn: Episode(Turn(Text('Done.'))).")
        object.__setattr__(self, "turns", turns)

    def __call__(self, request: Request) -> Turn:
        """The turn for this request."""
        return self.turns[min(request.turn, len(self.turns) - 1)]


@dataclass(frozen=True)
class Request:
    """One question to a model, told the same way for every API."""

    api: str
    """anthropic | gemini | responses"""
    model: str
    seat: str
    """The name under which the script was found."""
    conversation: str
    """What tells this conversation from others of the same seat."""
    turn: int
    """How many requests of this conversation came before."""
    opening: str
    """What the user said first, with what the program added to it."""
    last: str
    """What was said to the model last: the user's words, or the results of tools."""
    tools: tuple[str, ...]
    """The program's own names of the tools that it offers."""
    body: Mapping[str, Json]
    """The whole request, as it came."""


Script = Callable[[Request], Turn]
"""What decides the next turn; an `Episode` is one."""
