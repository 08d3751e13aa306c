"""The first milliseconds of the language server, with the standard library alone.

An editor waits for the answer to `initialize` before it does anything else. The libraries behind
the rest of this room take half a second to import, so the answer, which is the same for every
project, is given first; then they are imported, and the message is replayed to them while a thread
goes on reading. Nothing of pygls, lsprotocol, pydantic or asyncio may be imported by this module.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from massgen_ls.lsp.capabilities import answer, resolve
from massgen_ls.lsp.stdio.frames import BrokenStreamError, Frames, error_response, frame
from massgen_ls.lsp.stdio.outbox import write_all

if TYPE_CHECKING:
    from massgen_ls.lsp.desk import Compose

CHUNK = 64 * 1024
INTAKE = 64 * 1024 * 1024
"""Bytes read and not yet handled; past it the client is held back."""

NOT_INITIALIZED, PARSE_ERROR, INVALID_REQUEST = -32002, -32700, -32600


def serve(load: Callable[[], Compose], *, stdin: int = 0, stdout: int = 1) -> int:
    """Speaks LSP over stdio until the client says `exit` or is gone.

    Args:
        load: Imports what is heavy and returns how the engine is put together; called after
            `initialize` was answered.
        stdin: The descriptor to read.
        stdout: The descriptor to write.

    Returns:
        The exit code: 0 after `shutdown`, 1 otherwise.
    """
    inbound, outbound = take_over(stdin, stdout)
    frames = Frames()
    try:
        greeting, rest = _greet(inbound, outbound, frames)
    except (OSError, BrokenStreamError, KeyboardInterrupt) as error:
        sys.stderr.write(f"massgen-ls: the client was lost before initialize: {error!r}\n")
        return 1
    if greeting is None:
        return 1
    intake = Intake(inbound, frames, rest)
    from massgen_ls.lsp.stdio.connection import run

    try:
        return run(greeting, intake, outbound, load)
    except KeyboardInterrupt:
        return 1


def take_over(stdin: int, stdout: int) -> tuple[int, int]:
    """Moves the protocol's two streams out of everybody's reach.

    A stray `print`, or a child that inherits stdout, would corrupt the stream; a child that reads
    stdin would steal from it. Afterwards 0 is empty and 1 is stderr.
    """
    inbound, outbound = os.dup(stdin), os.dup(stdout)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    try:
        os.dup2(2, 1)
    except OSError:  # stderr is closed
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    os.close(nothing)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(inbound, os.O_BINARY)
        msvcrt.setmode(outbound, os.O_BINARY)
    return inbound, outbound


def _greet(
    inbound: int, outbound: int, frames: Frames
) -> tuple[dict[str, object] | None, list[bytes]]:
    """Reads up to `initialize` and answers it. None: the client left without one."""
    while chunk := os.read(inbound, CHUNK):
        bodies = frames.feed(chunk)
        while bodies:
            message = parse(bodies.pop(0))
            reply: dict[str, object] | None = None
            if message is None:
                reply = error_response(None, PARSE_ERROR, "the message is not a JSON object")
            elif message.get("method") == "exit":
                return None, []
            elif message.get("method") == "initialize" and "id" in message:
                result = answer(resolve(message.get("params")))
                reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
                write_all(outbound, frame(reply))
                return message, bodies
            elif "id" in message and "method" in message:
                reply = error_response(
                    message["id"], NOT_INITIALIZED, "the server waits for initialize first"
                )
            if reply is not None:
                write_all(outbound, frame(reply))
    return None, []


def parse(body: bytes) -> dict[str, object] | None:
    """A body as a message; None when it is not a JSON object."""
    try:
        message: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", message) if isinstance(message, dict) else None


class Intake:
    """Reads the client in a thread, from the first moment on, so that it never waits for us.

    Bounded: past `INTAKE` bytes unhandled it stops reading until there is room.
    """

    def __init__(self, fd: int, frames: Frames, bodies: list[bytes]) -> None:
        self._fd = fd
        self._frames = frames
        self._bodies: deque[bytes] = deque(bodies)
        self._held = sum(map(len, bodies))
        self._ended = False
        self._wake: Callable[[], None] | None = None
        self._hold: Callable[[], None] | None = None
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="massgen-intake", daemon=True)
        self._thread.start()

    def attach(self, wake: Callable[[], None], hold: Callable[[], None]) -> None:
        """Says whom to wake when there is news, and what may hold the reading back.

        Args:
            wake: Called from the reading thread; must not block.
            hold: Called from the reading thread before each read; may block.
        """
        with self._change:
            self._wake, self._hold = wake, hold
        wake()

    def take(self) -> tuple[list[bytes], bool]:
        """All bodies that have arrived, and whether the stream has ended behind them."""
        with self._change:
            bodies = list(self._bodies)
            self._bodies.clear()
            self._held = 0
            self._change.notify_all()
            return bodies, self._ended

    def _run(self) -> None:
        try:
            while True:
                if self._hold is not None:
                    self._hold()
                chunk = os.read(self._fd, CHUNK)
                if not chunk:
                    return
                bodies = self._frames.feed(chunk)
                if not bodies:
                    continue
                with self._change:
                    self._bodies.extend(bodies)
                    self._held += sum(map(len, bodies))
                    wake = self._wake
                if wake is not None:
                    wake()
                with self._change:
                    while self._held > INTAKE:
                        self._change.wait()
        except (OSError, BrokenStreamError) as error:
            sys.stderr.write(f"massgen-ls: the client cannot be read any more: {error}\n")
        finally:
            with self._change:
                self._ended = True
                wake = self._wake
            if wake is not None:
                wake()
