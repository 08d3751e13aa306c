"""The argv of a command agent: placeholders in, words out. Never a shell.

``{name}`` and ``{name:argument}`` are placeholders, replaced inside of their item, which stays one
word whatever is put in. ``{{`` and ``}}`` are literal braces; braces around anything that is not a
name are left as they are. An item that is ``{files}`` or ``{files:.py}`` alone becomes one word for
each file, in as many rounds as the system's limit on arguments makes necessary.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from massgen_ls.core.task import Task

WORD_LIMIT = 128 * 1024 - 1
"""Bytes: Linux refuses a longer single argument."""
ROUND_LIMIT = 512 * 1024
"""Bytes of file names in one round: well below every system's limit on all arguments."""
_FILES = re.compile(r"\{files(?::([^{}]*))?\}")
_BRACES = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)(?::([^{}]*))?\}")
_NOT_SOURCES = frozenset({".git", "node_modules", "__pycache__"})


class BadArgvError(ValueError):
    """An argv that cannot be made; the message is for people."""


@dataclass(frozen=True, slots=True)
class Values:
    """What placeholders stand for."""

    task: Task
    prompt: str
    python: str
    worktree: str
    folder: str
    prompt_file: str

    def table(self) -> Mapping[str, str]:
        """Every placeholder but ``{files}``."""
        lines = self.task.scope.lines
        return {
            "python": self.python,
            "prompt": self.prompt,
            "prompt_file": self.prompt_file,
            "file": self.file or ".",
            "first": str(lines.first) if lines else "1",
            "last": str(lines.last) if lines else "",
            "folder": self.folder,
            "worktree": self.worktree,
        }

    @property
    def file(self) -> str:
        """The scope's path, which is seen from the folder; empty when the scope has none."""
        return _word(self.task.scope.path or "")


def uses(argv: Sequence[str], name: str) -> bool:
    """Whether a placeholder occurs."""
    return any(match[1] == name for item in argv for match in _BRACES.finditer(item))


def rounds(argv: Sequence[str], values: Values) -> list[tuple[str, ...]]:
    """The argvs to run, one after the other. None when ``{files}`` stands for no file at all.

    Reads folders when ``{files}`` occurs.

    Raises:
        BadArgvError: A placeholder is unknown or in the wrong place, or a word is too long.
    """
    table = values.table()
    before: list[str] = []
    after: list[str] = []
    files: list[str] | None = None
    for item in argv:
        match = _FILES.fullmatch(item)
        if match is None:
            (before if files is None else after).append(_filled(item, table))
        elif files is not None:
            raise BadArgvError("`{files}` may occur once")
        else:
            files = list(_files(values, match[1] or ""))
    if files is None:
        return [tuple(before)]
    return [(*before, *part, *after) for part in _parts(files)]


def _filled(item: str, table: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] == "files":
            raise BadArgvError(
                f"`{match[0]}` has to be an item of its own in `argv`, not a part of one"
            )
        if match[1] not in table or match[2] is not None:
            known = ", ".join(f"{{{name}}}" for name in (*table, "files"))
            raise BadArgvError(
                f"`argv` has the unknown placeholder `{match[0]}`; there are {known}. "
                "Write `{{` and `}}` for braces"
            )
        return table[match[1]]

    word = _BRACES.sub(value, item)
    if "\0" in word:
        raise BadArgvError("an argument cannot hold a NUL character; use `stdin: prompt`")
    size = len(os.fsencode(word.encode("utf-8", "surrogateescape")))
    if size > WORD_LIMIT:
        raise BadArgvError(
            f"an argument would be {size // 1024} KiB long and the system takes 128 at most; "
            "use `stdin: prompt` or `{prompt_file}` instead of `{prompt}`"
        )
    return word


def _files(values: Values, suffix: str) -> Iterator[str]:
    scoped = values.task.scope.path
    if scoped is None:
        top = values.folder
    else:
        top = os.path.join(values.folder, scoped)
        if not os.path.isdir(top):
            if scoped.endswith(suffix) and os.path.lexists(top):
                yield values.file
            return
    found: list[str] = []
    for folder, folders, names in os.walk(top):
        # What was installed or derived is not anybody's source, even where git does not ignore it.
        folders[:] = [
            name
            for name in folders
            if name not in _NOT_SOURCES
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        for name in names:
            path = os.path.join(folder, name)
            # Not through links: they may lead out of the worktree.
            if name.endswith(suffix) and name != ".git" and not os.path.islink(path):
                found.append(_word(os.path.relpath(path, values.folder)))
    yield from sorted(found)


def _parts(files: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for file in files:
        cost = len(os.fsencode(file)) + 9  # its end and its pointer
        if part and size + cost > ROUND_LIMIT:
            yield part
            part, size = [], 0
        part.append(file)
        size += cost
    if part:
        yield part


def _word(path: str) -> str:
    """A path that no program takes for an option."""
    return f"./{path}" if path.startswith("-") else path
