"""The host's sockets: time, names, programs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from massgen_ls.core.task import (
    RunId,
)


class Clock(Protocol):
    """Time, as the engine may see it."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


class Ids(Protocol):
    """Fresh names."""

    def run_id(self) -> RunId:
        """A name that no run has had."""
        ...


@dataclass(frozen=True, slots=True)
class Fence:
    """What a process may write. Everything else is read-only to it where a sandbox is to be had."""

    writable: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    """Folders that appear empty."""
    required: bool = False
    """Refuse to start without a sandbox."""
    readable: tuple[str, ...] = ()
    """What it needs to read of the folder for temporary files, which else is fresh for it. What
    its arguments and its environment name there is readable anyway."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    """The complete environment: nothing is inherited."""
    stdin: bytes | None = None
    """Written, then closed. None: no input at all."""
    keep_stdin: bool = False
    """Leave stdin open for `Running.write`."""
    timeout: float | None = None
    """Seconds; past it the tree is ended and `Finished.timed_out` is set."""
    keep: int = 8 * 1024 * 1024
    """Bytes kept of each stream in `Finished`: the first half and the last half of it."""
    fence: Fence | None = None
    raw: bool = False
    """Pass output on as it comes, without waiting for the end of a line."""
    tree: bool = True
    """Own session, and every descendant is ended with it. False for short plumbing (git)."""


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what a process prints: whole lines where it prints lines, at most 64 KiB."""

    stream: Literal["stdout", "stderr"]
    bytes: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended."""

    exit_code: int
    """Negative: ended by that signal."""
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool = False
    dropped: int = 0
    """Bytes printed beyond what was kept."""
    survivors: int = 0
    """Descendants that outlived it and were ended."""


class Running(Protocol):
    """A process that runs. Leaving its context ends it and all its descendants."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def output(self) -> AsyncGenerator[Output]:
        """What it prints, live; ends when it has ended. Bounded: a slow reader holds it back."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Writes to its stdin; silently nothing when it no longer reads."""
        ...

    async def close_stdin(self) -> None:
        """Ends its input."""
        ...

    async def wait(self) -> Finished:
        """Waits for the end; never hangs on a grandchild that holds a pipe."""
        ...

    async def stop(self) -> Finished:
        """The kill ladder: close stdin, TERM, KILL of the whole tree."""
        ...


class Processes(Protocol):
    """Starts programs. A missing program raises `FileNotFoundError`, a bad one `OSError`."""

    def start(self, command: Command) -> AbstractAsyncContextManager[Running]:
        """Starts one program for as long as the context lasts."""
        ...

    async def run(self, command: Command) -> Finished:
        """Runs one program to its end."""
        ...
