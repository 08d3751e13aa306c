"""Small turns of phrase for messages that people read."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """``1 failure``, ``2 failures``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def flat(text: str, limit: int | None = None) -> str:
    """A text of any shape in one line, cut to so many characters: for a comment, a progress bar."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if limit is None or len(words) <= limit else words[: limit - 1] + "…"


def one_line(text: str) -> str:
    """A text of somebody else's for a terminal or a question: no control character acts."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
