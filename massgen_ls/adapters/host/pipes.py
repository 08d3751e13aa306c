"""The pipes of a process: pumped always, bounded always, never in the way of its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable
from io import FileIO
from typing import Literal

from massgen_ls.ports import Output

PIECE = 64 * 1024
"""Bytes: the largest piece of output that is handed out, and how much is read at once."""
_SIPS = 16
"""Reads that empty even a pipe of a megabyte, the largest that Linux grants."""
HELD_BYTES = 1024 * 1024
HELD_PIECES = 1024
"""How much waits for a slow reader before the process is held back."""


class Kept:
    """The first and the last half of what a stream printed.

    Args:
        keep: Bytes to keep in all.
    """

    def __init__(self, keep: int) -> None:
        self._head_room = keep - keep // 2
        self._tail_room = keep // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, chunk: bytes) -> None:
        """Takes what was printed next."""
        self._total += len(chunk)
        free = self._head_room - len(self._head)
        if free > 0:
            self._head += chunk[:free]
            chunk = chunk[free:]
        if not chunk or not self._tail_room:
            return
        self._tail += chunk[-self._tail_room :]
        # Trimmed in strides: cutting at every chunk would move the whole tail each time.
        if len(self._tail) > self._tail_room + max(PIECE, self._tail_room // 4):
            del self._tail[: -self._tail_room]

    def bytes(self) -> bytes:
        """What was kept, the head and then the tail."""
        return bytes(self._head + self._tail[-self._tail_room :])

    @property
    def dropped(self) -> int:
        """Bytes printed between the head and the tail."""
        return max(0, self._total - self._head_room - self._tail_room)


class Lines:
    """Cuts a stream into pieces that end with a line where that is possible in `PIECE` bytes."""

    def __init__(self) -> None:
        self._carry = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes a chunk of any size and returns what is complete now."""
        end = chunk.rfind(b"\n") + 1
        self._carry += chunk
        if not end and len(self._carry) < PIECE:
            return []
        whole = len(self._carry) - (len(chunk) - end) if end else 0
        pieces: list[bytes] = []
        at = 0
        while whole - at > 0 or len(self._carry) - at >= PIECE:
            stop = min(whole, at + PIECE) if whole > at else at + PIECE
            if stop < whole:
                stop = self._carry.rfind(b"\n", at, stop) + 1 or stop
            pieces.append(bytes(self._carry[at:stop]))
            at = stop
        del self._carry[:at]
        return pieces

    def rest(self) -> bytes:
        """The last line when it has no line end."""
        rest = bytes(self._carry)
        self._carry.clear()
        return rest


class Pieces:
    """Passes a stream on as it comes, for what does not speak in lines."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes a chunk and returns it."""
        return [chunk]

    def rest(self) -> bytes:
        """Nothing is ever held back."""
        return b""


class Outlet:
    """Reads one stream of a process to its end.

    Args:
        file: Our end of the pipe; owned from here on.
        stream: Which one it is.
        keep: Bytes to keep of it.
        lines: Whether pieces end with a line where that is possible.
        post: Takes each piece.
        closed: Called once, after the last piece.
    """

    def __init__(
        self,
        file: FileIO,
        stream: Literal["stdout", "stderr"],
        keep: int,
        post: Callable[[Output], None],
        closed: Callable[[], None],
        *,
        lines: bool = True,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._stream: Literal["stdout", "stderr"] = stream
        self._post = post
        self._closed = closed
        self._lines = Lines() if lines else Pieces()
        self._reading = False
        self.kept = Kept(keep)
        self.reads = 0
        """How often something came: tells a quiet pipe from a busy one."""
        os.set_blocking(file.fileno(), False)
        self.resume()

    @property
    def open(self) -> bool:
        """Whether the end has not been seen yet."""
        return not self._file.closed

    def pause(self) -> None:
        """Stops reading: the process is held back once the pipe is full."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._file.fileno())

    def resume(self) -> None:
        """Reads on."""
        if self.open and not self._reading:
            self._reading = True
            self._loop.add_reader(self._file.fileno(), self._ready)

    def sip(self) -> None:
        """Reads what is in the pipe this moment, up to a bound, without waiting for more."""
        for _ in range(_SIPS):
            before = self.reads
            if self.open:
                self._ready()
            if self.reads == before:
                return

    def close(self) -> None:
        """Ends it here, whoever still holds the other end."""
        if not self.open:
            return
        self.pause()
        self._file.close()
        if rest := self._lines.rest():
            self._post(Output(self._stream, rest))
        self._closed()

    def _ready(self) -> None:
        try:
            chunk = os.read(self._file.fileno(), PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.close()
            return
        self.reads += 1
        self.kept.add(chunk)
        for piece in self._lines.feed(chunk):
            self._post(Output(self._stream, piece))


class Inlet:
    """Writes to the stdin of a process, which may never read it.

    Args:
        file: Our end of the pipe; owned from here on.
    """

    def __init__(self, file: FileIO) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = file
        self._pending: deque[memoryview] = deque()
        self._drained: asyncio.Future[None] | None = None
        self._close_after = False
        os.set_blocking(file.fileno(), False)

    @property
    def open(self) -> bool:
        """Whether more can be written."""
        return not self._file.closed and not self._close_after

    def push(self, chunk: bytes) -> None:
        """Writes as soon as the process reads; nothing when it no longer does."""
        if not self.open or not chunk:
            return
        idle = not self._pending
        self._pending.append(memoryview(chunk))
        if idle:
            self._flush()
            if self._pending:
                self._loop.add_writer(self._file.fileno(), self._flush)

    async def drained(self) -> None:
        """Waits until everything is written, or can no longer be."""
        while self._pending:
            if self._drained is None:
                self._drained = self._loop.create_future()
            # Several writers may wait; one that is cancelled must not take the others along.
            await asyncio.shield(self._drained)

    def finish(self) -> None:
        """Closes it once everything is written."""
        self._close_after = True
        if not self._pending:
            self.close()

    def close(self) -> None:
        """Closes it now; what is still unwritten is lost."""
        if self._file.closed:
            return
        if self._pending:
            self._loop.remove_writer(self._file.fileno())
            self._pending.clear()
        with contextlib.suppress(OSError):
            self._file.close()
        self._wake()

    def _flush(self) -> None:
        try:
            while self._pending:
                chunk = self._pending[0]
                written = os.write(self._file.fileno(), chunk)
                if written < len(chunk):
                    self._pending[0] = chunk[written:]
                    return
                self._pending.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self._loop.remove_writer(self._file.fileno())
        if self._close_after:
            self.close()
        else:
            self._wake()

    def _wake(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)


class Mailbox:
    """Pieces on their way to one reader.

    Without a reader the oldest are dropped, so that nobody has to read; with one, `full` and
    `roomy` tell when the process is to be held back and when it may go on.

    Args:
        full: Called when the reader is behind.
        roomy: Called when it has caught up, or has gone away.
    """

    def __init__(self, full: Callable[[], None], roomy: Callable[[], None]) -> None:
        self._pieces: deque[Output] = deque()
        self._bytes = 0
        self._full = full
        self._roomy = roomy
        self._held = False
        self._reader = False
        self._patient = True
        self._ended = False
        self._wake: asyncio.Future[None] | None = None

    def post(self, piece: Output) -> None:
        """Puts a piece in. Never refuses and never grows past the bound for long."""
        self._pieces.append(piece)
        self._bytes += len(piece.bytes)
        behind = self._bytes > HELD_BYTES or len(self._pieces) > HELD_PIECES
        # Twice the bound: both streams may each deliver one more chunk after being held back,
        # and what comes after the end of the process is no longer held back at all.
        flooded = self._bytes > 2 * HELD_BYTES or len(self._pieces) > 4 * HELD_PIECES
        if behind and self._reader and not self._held and self._patient:
            self._held = True
            self._full()
        while self._pieces and (flooded or (behind and not self._reader)):
            self._bytes -= len(self._pieces.popleft().bytes)
            behind = self._bytes > HELD_BYTES or len(self._pieces) > HELD_PIECES
            flooded = flooded and behind
        self._ring()

    def end_of_process(self) -> None:
        """What is left is little: the reader is not waited for any more."""
        self._patient = False
        self._held = False

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._ring()

    def attach(self) -> None:
        """A reader is there.

        Raises:
            RuntimeError: There is one already; two would take each other's pieces.
        """
        if self._reader:
            raise RuntimeError("the output of a process has one reader")
        self._reader = True

    def detach(self) -> None:
        """The reader has gone: nothing is held back for it any more."""
        self._reader = False
        self._release()

    async def take(self) -> Output | None:
        """The next piece; None at the end."""
        while not self._pieces:
            if self._ended:
                return None
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        piece = self._pieces.popleft()
        self._bytes -= len(piece.bytes)
        if self._bytes <= HELD_BYTES // 2 and len(self._pieces) <= HELD_PIECES // 2:
            self._release()
        return piece

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._roomy()

    def _ring(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)
