"""What programs print, as text that is safe to show."""

from __future__ import annotations

import codecs
import re
import signal
from collections.abc import Sequence

from massgen_ls.ports import Output, Said

_TAIL_LINES = 6
_TAIL_CHARACTERS = 600
# Escape sequences and control characters would act on the terminal that shows them.
_CONTROLS = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class Speech:
    """Turns the pieces of a stream into text; a character may be cut in two between them."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def heard(self, piece: Output) -> Said | None:
        """The next piece as text; None when there is nothing to show in it."""
        text = plain(self._decoder.decode(piece.bytes))
        return Said(text, piece.stream) if text else None


def plain(text: str) -> str:
    """Text without escape sequences and control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def tail(raw: bytes) -> str:
    """The last lines of what was printed, short enough for a message."""
    text = plain(raw[-8 * 1024 :].decode("utf-8", "replace"))
    lines: Sequence[str] = [line.rstrip() for line in text.split("\n") if line.strip()]
    last = "\n".join(lines[-_TAIL_LINES:])
    return last if len(last) <= _TAIL_CHARACTERS else f"…{last[-_TAIL_CHARACTERS:]}"


def signal_name(number: int) -> str:
    """``SIGTERM`` for 15."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Saying:
    """A message that comes piece by piece. Of one that never ends only the end is kept.

    Args:
        most: Characters that are kept.
    """

    def __init__(self, most: int = 1024 * 1024) -> None:
        self._most = most
        self._pieces: list[str] = []
        self._size = 0
        self._cut = ""

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, piece: str) -> None:
        """The next piece."""
        self._pieces.append(piece)
        # A piece has a weight of its own, however short it is.
        self._size += len(piece) + 1
        if self._size > 2 * self._most:
            kept = "".join(self._pieces)[-self._most :]
            self._pieces, self._size, self._cut = [kept], len(kept), "…"

    def whole(self) -> str:
        """All of it; then the next message begins."""
        text, cut = "".join(self._pieces), self._cut
        self._pieces, self._size, self._cut = [], 0, ""
        return cut + text
