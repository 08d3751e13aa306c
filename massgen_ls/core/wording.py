"""Small turns of phrase for messages that people read."""

from __future__ import annotations


def counted(n: int, noun: str) -> str:
    """``1 failure``, ``2 failures``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
