"""A real Neovim, driven over its own msgpack-RPC on standard input and output.

Keys go in as typed keys (`Neovim.keys`), questions go in as Lua (`Neovim.lua`), and what happens
comes back as notifications (`Neovim.wait_for`). Nothing sleeps: every wait ends with the event or
with its deadline. Neovim quits when its standard input closes, so none is ever left behind.
"""

from __future__ import annotations

import os
import selectors
import struct
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

DEADLINE = 90.0
"""Seconds for anything; generous, since a busy machine is not a broken one."""


class Ext(bytes):
    """An extension value: a handle of a buffer, window or tab page."""


class NvimError(AssertionError):
    """Neovim answered a request with an error."""


class Neovim:
    """One process, for one test."""

    def __init__(
        self, binary: Path, args: list[str], env: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(binary), "--headless", "--embed", "-i", "NONE", "-n", *args],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(env),
                cwd=cwd,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out, selectors.EVENT_READ)
        self._buffer = b""
        self._ids = 0
        self._answers: dict[int, tuple[Any, Any]] = {}
        self.news: list[tuple[str, Any]] = []
        """Every notification so far: (name, its first argument)."""

    def __enter__(self) -> Neovim:
        return self

    def __exit__(self, *_: object) -> None:
        self._in.close()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()
        self._selector.close()

    # ── what a test says ────────────────────────────────────────────────────────────────────

    def lua(self, code: str, *args: object) -> Any:
        """Runs Lua (arguments in ``...``) and returns what it returns."""
        return self.call("nvim_exec_lua", code, list(args))

    def keys(self, keys: str) -> None:
        """Types, as a person would; ``<Esc>`` and the like are keys. Returns when it is handled."""
        self.call("nvim_input", keys)
        # The answer comes while the keys still wait; an idle main loop has handled them.
        self.call("nvim_eval", "1")

    def command(self, command: str) -> None:
        """An Ex command."""
        self.call("nvim_command", command)

    def until(self, what: str, condition: str, *args: object, deadline: float = DEADLINE) -> Any:
        """Waits until a Lua expression is true, and returns it."""
        end = time.monotonic() + deadline
        while True:
            found = self.lua(f"return {condition}", *args)
            if found:
                return found
            if time.monotonic() > end:
                self.fail(f"{what}: {condition} is still {found!r}")
            self.listen(0.02)

    def wait_for(
        self,
        name: str,
        matches: Callable[[Any], bool] = lambda _: True,
        deadline: float = DEADLINE,
    ) -> Any:
        """Waits for a notification, also one that came already; returns its argument."""
        end = time.monotonic() + deadline
        seen = 0
        while True:
            for each, argument in self.news[seen:]:
                if each == name and matches(argument):
                    return argument
            seen = len(self.news)
            if time.monotonic() > end:
                self.fail(f"no {name}")
            self.listen(end - time.monotonic())

    def call(self, method: str, *args: object) -> Any:
        """Calls an API function."""
        self._ids += 1
        self._in.write(pack([0, self._ids, method, list(args)]))
        self._in.flush()
        end = time.monotonic() + DEADLINE
        while self._ids not in self._answers:
            if time.monotonic() > end:
                self.fail(f"{method}{args!r} is not answered")
            self.listen(end - time.monotonic())
        error, result = self._answers.pop(self._ids)
        if error is not None:
            raise NvimError(f"{error[1] if isinstance(error, list) else error}\n{self._story()}")
        return result

    def fail(self, what: str) -> None:
        """Ends the test with what is known of this Neovim."""
        raise NvimError(f"{what}\n{self._story()}")

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _story(self) -> str:
        lines = [f"  {name} {str(argument)[:500]}" for name, argument in self.news[-40:]]
        printed = self._log.read_text("utf-8", "replace")[-4000:]
        return "\n".join(["what Neovim told:", *lines, "what it printed:", printed])

    def listen(self, seconds: float) -> None:
        """Takes in what Neovim tells, for at most so long; ends with the first of it."""
        if not self._selector.select(max(0.0, seconds)):
            return
        chunk = self._out.read(1 << 20)
        if chunk == b"":
            self.fail(f"Neovim has ended ({self._process.poll()})")
        self._buffer += chunk or b""
        while (message := unpack(self._buffer)) is not None:
            body, used = message
            self._buffer = self._buffer[used:]
            if body[0] == 1:
                self._answers[body[1]] = (body[2], body[3])
            elif body[0] == 2:
                self.news.append((body[1], body[2][0] if body[2] else None))


# ── msgpack, as far as the API needs it ─────────────────────────────────────────────────────────


def pack(node: object) -> bytes:
    """A value as msgpack, in its long forms: Neovim takes any."""
    match node:
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if node else b"\xc2"
        case int():
            return b"\xd3" + struct.pack(">q", node)
        case float():
            return b"\xcb" + struct.pack(">d", node)
        case Path() | str():
            text = str(node).encode()
            return b"\xdb" + struct.pack(">I", len(text)) + text
        case list() | tuple():
            return b"\xdd" + struct.pack(">I", len(node)) + b"".join(map(pack, node))
        case dict():
            pairs = b"".join(pack(key) + pack(each) for key, each in node.items())
            return b"\xdf" + struct.pack(">I", len(node)) + pairs
        case _:
            raise TypeError(f"msgpack has no {type(node).__name__}")


class _Short(Exception):
    """The value goes on in the next chunk."""


_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}


def unpack(chunk: bytes) -> tuple[Any, int] | None:
    """The first value and how many bytes it took; None when it is not whole yet."""
    try:
        return _value(chunk, 0)
    except _Short:
        return None


def _cut(chunk: bytes, at: int, size: int) -> bytes:
    if at + size > len(chunk):
        raise _Short
    return chunk[at : at + size]


def _number(chunk: bytes, at: int, form: str) -> tuple[Any, int]:
    size = struct.calcsize(form)
    return struct.unpack(form, _cut(chunk, at, size))[0], at + size


def _value(chunk: bytes, at: int) -> tuple[Any, int]:
    tag = _cut(chunk, at, 1)[0]
    at += 1
    if tag < 0x80:
        return tag, at
    if tag >= 0xE0:
        return tag - 0x100, at
    if tag < 0x90:
        return _map(chunk, at, tag & 0x0F)
    if tag < 0xA0:
        return _list(chunk, at, tag & 0x0F)
    if tag < 0xC0:
        return _text(chunk, at, tag & 0x1F)
    if tag in _NUMBERS:
        return _number(chunk, at, _NUMBERS[tag])
    match tag:
        case 0xC0:
            return None, at
        case 0xC2 | 0xC3:
            return tag == 0xC3, at
        case 0xC4 | 0xC5 | 0xC6:
            size, at = _number(chunk, at, (">B", ">H", ">I")[tag - 0xC4])
            return _cut(chunk, at, size), at + size
        case 0xC7 | 0xC8 | 0xC9:
            size, at = _number(chunk, at, (">B", ">H", ">I")[tag - 0xC7])
            return Ext(_cut(chunk, at + 1, size)), at + 1 + size
        case 0xD4 | 0xD5 | 0xD6 | 0xD7 | 0xD8:
            size = 1 << (tag - 0xD4)
            return Ext(_cut(chunk, at + 1, size)), at + 1 + size
        case 0xD9 | 0xDA | 0xDB:
            size, at = _number(chunk, at, (">B", ">H", ">I")[tag - 0xD9])
            return _text(chunk, at, size)
        case 0xDC | 0xDD:
            size, at = _number(chunk, at, (">H", ">I")[tag - 0xDC])
            return _list(chunk, at, size)
        case 0xDE | 0xDF:
            size, at = _number(chunk, at, (">H", ">I")[tag - 0xDE])
            return _map(chunk, at, size)
        case _:
            raise ValueError(f"msgpack has no tag {tag:#x}")


def _text(chunk: bytes, at: int, size: int) -> tuple[str, int]:
    return _cut(chunk, at, size).decode("utf-8", "surrogateescape"), at + size


def _list(chunk: bytes, at: int, size: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    for _ in range(size):
        item, at = _value(chunk, at)
        items.append(item)
    return items, at


def _map(chunk: bytes, at: int, size: int) -> tuple[dict[Any, Any], int]:
    pairs: dict[Any, Any] = {}
    for _ in range(size):
        key, at = _value(chunk, at)
        pairs[key], at = _value(chunk, at)
    return pairs, at
