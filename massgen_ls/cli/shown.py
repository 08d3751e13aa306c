"""Text of agents, tools and file names on a terminal: as text, never as commands to it."""

from __future__ import annotations

import re

from rich.markup import escape

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ONE_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def harmless(text: str) -> str:
    """The text with every control character but line ends and tabs made visible.

    A diff with escape sequences could otherwise hide lines from whoever reviews it.
    """
    plain = _CONTROLS.sub(_visible, text.replace("\r\n", "\n"))
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")


def shown(text: str) -> str:
    """A name or a reason in the middle of rich markup: one line, and no markup of its own."""
    plain = _ONE_LINE.sub(_visible, text.replace("\n", " "))
    return escape(plain.encode("utf-8", "backslashreplace").decode("utf-8"))


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"^{chr(code + 64)}" if code < 32 else f"\\x{code:02x}"
