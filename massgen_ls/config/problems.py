"""What is wrong with a configuration, or worth knowing about it, as values.

One form for the command line, for the editor's diagnostics and quick fixes, and for reports about
MassGen's files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from massgen_ls.core.errors import ConfigError

Where = tuple["str | int", ...]
"""The way to a value: keys and indices from the top."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding at one place of a file."""

    message: str
    """What is wrong, without a full stop."""
    where: Where = ()
    """The way to the value in its own file: keys and indices from the top."""
    line: int = 1
    """1-based, where the key or value begins; 0 where there are no lines, as in a variable."""
    column: int = 1
    """1-based, in characters."""
    suggestion: str = ""
    """What to do next, one sentence; empty when there is nothing to say."""
    meant: str | None = None
    """The word that was probably meant, in place of the key or value that stands there."""
    file: str = ""
    """The file, variable or option that it stands in; empty: the one that is spoken of."""
    severity: Literal["error", "warning"] = "error"
    """A configuration with errors cannot be used; a warning says what happens instead."""
    end: tuple[int, int] | None = None
    """Line and column behind its last character, where that is known."""
    on_key: bool = False
    """It is about the key at ``where``, not about the value."""
    code: str = field(default="", compare=False)
    """What kind of problem it is, for programs: ``unknown-key``, ``secret`` …; empty: any other."""

    @property
    def path(self) -> str:
        """``agents[0].backend``; empty for the whole file."""
        return shown_path(self.where)

    def shown(self, file: str = "") -> str:
        """``file:line:column: in path: message; suggestion`` (or a sentence of its own)."""
        name = self.file or file
        at = f"{name}:{self.line}:{self.column}" if self.line else name
        where = self.where[:-1] if self.on_key else self.where
        path = f"in {shown_path(where)}: " if where else ""
        link = ". " if self.suggestion[:1].isupper() else "; "
        then = f"{link}{self.suggestion}" if self.suggestion else ""
        return f"{at}: {path}{self.message}{then}"

    def plain(self) -> dict[str, object]:
        """For programs: ``path, line, column, message, suggestion``, and the file where told."""
        told: dict[str, object] = {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "suggestion": self.suggestion,
        }
        if self.file:
            told["file"] = self.file
        return told


class InvalidConfig(ConfigError):
    """A configuration has problems: each one with its place.

    Args:
        problems: At least one, in the order of the file.
        file: Its name, for people.
    """

    def __init__(self, problems: Sequence[Problem], file: str) -> None:
        super().__init__("\n".join(dict.fromkeys(p.shown(file) for p in problems)))
        self.problems = tuple(problems)
        self.file = file


def shown_path(where: Where) -> str:
    """``agents[0].backend``: the way to a value, for people."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")
