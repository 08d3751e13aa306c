"""What is wrong with a configuration, or worth knowing about it, as values.

One form for the command line, for the editor's diagnostics and quick fixes, and for reports about
MassGen's files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from massgen_ls.config.document import Where
from massgen_ls.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding at one place of a file."""

    message: str
    """What is wrong, without a full stop."""
    where: Where = ()
    """The way to the value: keys and indices from the top."""
    line: int = 1
    """1-based, where the key or value begins."""
    column: int = 1
    """1-based, in characters."""
    suggestion: str = ""
    """What to do next, one sentence; empty when there is nothing to say."""
    meant: str | None = None
    """The word that was probably meant, in place of the key or value that stands there."""

    @property
    def path(self) -> str:
        """``agents[0].backend``; empty for the whole file."""
        return shown_path(self.where)

    def shown(self, file: str) -> str:
        """``file:line:column: in path: message; suggestion``."""
        path = f"in {self.path}: " if self.where else ""
        then = f"; {self.suggestion}" if self.suggestion else ""
        return f"{file}:{self.line}:{self.column}: {path}{self.message}{then}"

    def plain(self) -> dict[str, object]:
        """For programs: ``path, line, column, message, suggestion``."""
        kept = asdict(self)
        return {
            "path": self.path,
            **{key: kept[key] for key in ("line", "column", "message", "suggestion")},
        }


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
