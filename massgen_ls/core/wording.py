"""Small turns of phrase for messages that people read."""

from __future__ import annotations

import re


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


_TELLS = re.compile(
    r"not found|no such file|no module|cannot|could not|permission denied|\berr(?:or)?\b",
    re.IGNORECASE,
)


def telling(output: str) -> str:
    """The line of a program's output that says best why it failed; empty where there is none.

    The first that names a trouble; else the first that says anything, and is no runner's echo of
    what it runs (npm's ``> lint``).
    """
    lines = [line.strip() for line in output.split("\n") if line.strip()]
    own = [line for line in lines if not line.startswith(("> ", "$ "))]
    return next((line for line in own if _TELLS.search(line)), next(iter(own or lines), ""))
