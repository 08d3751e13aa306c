"""Which versions of Python a project says that it works with, by what it declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from massgen_ls.core.changes import RelPath, folders_above, rel_path
from massgen_ls.core.toml import read_toml

Version = tuple[int, int]

_DECLARED: Final = ("pyproject.toml", "setup.cfg", "setup.py")


def declarations(path: RelPath) -> tuple[RelPath, ...]:
    """Where the project of a file may say it, the nearest first."""
    folders = [f"{folder}/" for folder in reversed(tuple(folders_above(path)))]
    return tuple(rel_path(f"{folder}{name}") for folder in (*folders, "") for name in _DECLARED)


_IN_CFG = re.compile(r"^python_requires[ \t]*=[ \t]*(.+)$", re.MULTILINE)
_IN_SETUP = re.compile(r"\bpython_requires[ \t]*=[ \t]*[\"']([^\"'\n]+)[\"']")
_BOUND = re.compile(r"(>=|~=|==|\^|~|>)\s*v?(\d{1,9})(?:\.(\d{1,9}))?")


def floor(found: Mapping[RelPath, bytes], order: Iterable[RelPath]) -> Version | None:
    """The oldest Python that the nearest declaration allows; None without one.

    Args:
        found: The contents of those `declarations` that are there.
        order: All of them, the nearest first.
    """
    for path in order:
        text = found.get(path, b"").decode("utf-8", "replace")
        if text and (said := _declared(path, text)):
            return _lowest(said)
    return None


def _declared(path: str, text: str) -> str:
    if path.endswith(".toml"):
        try:
            document = read_toml(text)
        except (ValueError, RecursionError, MemoryError):
            return ""
        project = _table(document, "project").get("requires-python")
        poetry = _table(_table(_table(document, "tool"), "poetry"), "dependencies").get("python")
        return next((said for said in (project, poetry) if isinstance(said, str)), "")
    said = (_IN_CFG if path.endswith(".cfg") else _IN_SETUP).search(text)
    return said[1] if said else ""


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _lowest(said: str) -> Version | None:
    """The lowest version that a requirement allows; None where it has no lower bound."""
    lowest: list[Version] = []
    for choice in said.split("||"):
        bounds = [(int(b[2]), int(b[3] or 0)) for b in _BOUND.finditer(choice)]
        if not bounds:
            return None
        lowest.append(max(bounds))
    return min(lowest)
