"""TOML of somebody else's, read in bounded time."""

from __future__ import annotations

import tomllib
from typing import Any, Final

LARGEST: Final = 1024 * 1024
"""Characters of a text that is read."""
_MOST_DOTS = 50
"""On one line. The reader's work grows with the square of a key's parts, and with each line below a
header by the header's."""


def read_toml(text: str) -> dict[str, Any]:
    """The values of a text.

    Raises:
        tomllib.TOMLDecodeError: It is no TOML 1.0.
        ValueError: It is not read: it is too large, or might take for ever.
    """
    if len(text) > LARGEST or any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise ValueError("It is too large, or a line of it has too many dots, to be read.")
    return tomllib.loads(text)
