"""What can be told of an installed program without starting it. Reads the disk: for a thread."""

from __future__ import annotations

import json
import os
from typing import Any, cast

_DEEP = 4


def version_of(path: str) -> str:
    """The version of a program that npm installed; empty when it is no such program.

    ``path`` leads, over links, into the folder of its package.
    """
    folder = os.path.dirname(os.path.realpath(path))
    for _ in range(_DEEP):
        try:
            with open(os.path.join(folder, "package.json"), "rb") as file:
                told: Any = json.loads(file.read(256 * 1024))
        except (OSError, ValueError):
            told = None
        if isinstance(told, dict):
            version = cast("dict[str, Any]", told).get("version")
            if isinstance(version, str):
                return version
        parent = os.path.dirname(folder)
        if os.path.basename(folder) == "node_modules" or parent == folder:
            return ""
        folder = parent
    return ""
