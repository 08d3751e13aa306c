"""Which open files are configurations. Costs next to nothing: every opened file is asked about."""

from __future__ import annotations

import re
from pathlib import PurePath

from massgen_ls.config.places import NAMES, USER_NAMES

_ENDS = frozenset({".yaml", ".yml", ".json"})
_AGENTS = re.compile(r"""^[ \t]*(?:[{,][ \t]*)?["']?agents?["']?\s*:""", re.MULTILINE)
_BACKEND = re.compile(r"""["']?backend["']?\s*:""")
_LOOK = 64 * 1024


def named(path: PurePath) -> bool:
    """Whether a file is a configuration by its name alone. ``pyproject.toml`` may be one."""
    if path.name in NAMES or path.name == "pyproject.toml":
        return True
    return path.name in USER_NAMES and path.parent.name in {".massgen", "massgen"}


def recognised(path: PurePath, text: str) -> bool:
    """Whether a file may be a configuration, by its name or by what it begins with.

    MassGen's files have any name.
    """
    if path.name == "pyproject.toml":
        return "tool.massgen" in text
    if named(path):
        return True
    if path.suffix.lower() not in _ENDS:
        return False
    head = text[:_LOOK]
    return _AGENTS.search(head) is not None and _BACKEND.search(head) is not None
