"""Small turns of phrase for messages that people read."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """``1 failure``, ``2 failures``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def one_line(text: str) -> str:
    """A text of somebody else's for a terminal or a question: no control character acts."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
