"""A real editor in a terminal of its own: typed keys in, questions over a socket.

The editor connects to our socket when it starts (`drive.el`; Vim can by itself), and answers
what it is asked there while it goes on as for a person: its idle timers run, and its own questions
wait for keys.
Nothing sleeps: every wait ends with the event or with its deadline, and the end is by process id.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import selectors
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

DEADLINE = 60.0
"""Seconds for anything; generous, since a busy machine is not a broken one."""
_TAIL = 3000
"""Bytes of the screen that a failure shows."""


class AnswerError(AssertionError):
    """The editor answered a question with an error."""


class Terminal:
    """One editor, for one test.

    Args:
        argv: The editor. ``{socket}`` in it becomes the path at which we listen.
        env: Its whole environment.
        cwd: Where it starts.
        folder: Where the socket may be.
    """

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, folder: Path
    ) -> None:
        path = folder / "driver"
        path.unlink(missing_ok=True)
        self._screen = bytearray()
        self._pending = b""
        self._answers: dict[int, Any] = {}
        self._count = 0
        self._selector = selectors.DefaultSelector()
        self._wire: socket.socket | None = None
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
            door.listen(1)
            self._keys, inner = pty.openpty()
            fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
            self._process = subprocess.Popen(
                # Editors want a terminal that is theirs. The process stays the one we started.
                ["setsid", "--ctty", *(each.replace("{socket}", str(path)) for each in argv)],
                stdin=inner,
                stdout=inner,
                stderr=inner,
                env={**env, "TERM": "xterm"},
                cwd=cwd,
            )
            os.close(inner)
            os.set_blocking(self._keys, False)
            self._selector.register(self._keys, selectors.EVENT_READ)
            try:
                self._accept(door)
            except BaseException:
                self._end()
                raise

    def _accept(self, door: socket.socket) -> None:
        door.setblocking(False)
        self._selector.register(door, selectors.EVENT_READ)
        end = time.monotonic() + DEADLINE
        while self._wire is None:
            if time.monotonic() > end or self._process.poll() is not None:
                self.fail("the editor has not come")
            for key, _ in self._selector.select(1.0):
                if key.fileobj is door:
                    self._wire, _ = door.accept()
                else:
                    self._look()
        self._selector.unregister(door)
        self._wire.setblocking(False)
        self._selector.register(self._wire, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(DEADLINE)
        if self._wire is not None:
            self._wire.close()
        os.close(self._keys)
        self._selector.close()

    # ── what a test says ────────────────────────────────────────────────────────────────────

    def keys(self, text: str) -> None:
        """Types; the editor reads it when it likes."""
        data = text.encode()
        end = time.monotonic() + DEADLINE
        while data:
            try:
                data = data[os.write(self._keys, data) :]
            except BlockingIOError:
                if time.monotonic() > end:
                    self.fail("the editor reads no keys")
            self.listen(0.0)

    def message(self, number: int, text: str) -> object:
        """What a question looks like on the wire."""
        raise NotImplementedError

    def ask(self, text: str) -> Any:
        """What the editor says to a form or an expression.

        Raises:
            AnswerError: It is an error.
        """
        self._count += 1
        assert self._wire is not None
        data = json.dumps(self.message(self._count, text)).encode() + b"\n"
        self._wire.setblocking(True)
        self._wire.sendall(data)
        self._wire.setblocking(False)
        end = time.monotonic() + DEADLINE
        while self._count not in self._answers:
            if time.monotonic() > end:
                self.fail(f"no answer to {text}")
            self.listen(0.2)
        return self._answers.pop(self._count)

    def until(self, what: str, text: str) -> Any:
        """Asks again and again until the answer is true; returns it."""
        end = time.monotonic() + DEADLINE
        while not (answer := self.ask(text)):
            if time.monotonic() > end:
                self.fail(f"{what}: {text} has not become true")
            self.listen(0.05)
        return answer

    def listen(self, seconds: float) -> None:
        """Takes in what has come, or comes within so many seconds."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._wire:
                self._hear()
            else:
                self._look()

    def fail(self, what: str) -> None:
        """Ends the test with the editor's last screens."""
        screen = bytes(self._screen[-_TAIL:]).decode(errors="replace")
        code = self._process.poll()
        ended = "" if code is None else f" (it has ended with {code})"
        raise AssertionError(f"{what}{ended}; the screen:\n{screen}")

    # ── what it says ────────────────────────────────────────────────────────────────────────

    def _look(self) -> None:
        try:
            self._screen += os.read(self._keys, 65536)
        except BlockingIOError:
            return
        except OSError:  # it has closed its terminal
            self._selector.unregister(self._keys)
        del self._screen[: -10 * _TAIL]

    def _hear(self) -> None:
        assert self._wire is not None
        data = self._wire.recv(65536)
        if not data:
            self._selector.unregister(self._wire)
            self.fail("the editor has hung up")
        self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        for each in lines:
            number, value = json.loads(each)
            self._answers[number] = value


class Emacs(Terminal):
    """Emacs, asked in Emacs Lisp."""

    def message(self, number: int, text: str) -> object:
        return [number, text]

    def ask(self, text: str) -> Any:
        ok, value = super().ask(text)
        if not ok:
            raise AnswerError(f"{text}: {value}")
        return value


class Vim(Terminal):
    """Vim, asked in Vim script: its channel speaks JSON by itself."""

    def message(self, number: int, text: str) -> object:
        return ["expr", text, number]
