"""Where configurations may be. Cheap: who watches these places needs nothing else of this room."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_ENDS = ("yaml", "yml", "json", "toml")
NAMES = (
    *(f"massgen.{end}" for end in _ENDS),
    *(f".massgen/config.{end}" for end in _ENDS),
    "pyproject.toml",
)
"""Where a folder's configuration may be, first match first; of ``pyproject.toml`` it is the table
``[tool.massgen]``."""
USER_NAMES = tuple(f"config.{end}" for end in _ENDS)
"""The user's own, in `user_files`."""


def places(folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Every path that may be a configuration of a folder, there or not.

    Args:
        folder: The folder that the user opened.
        environ: The variables; None: those of this process.
    """
    for place in chain(folder):
        for name in NAMES:
            yield place / name
    yield from user_files(os.environ if environ is None else environ)


def chain(folder: Path) -> Iterator[Path]:
    """A folder, and those above it up to the top of its repository."""
    for place in (folder, *folder.parents):
        yield place
        if os.path.exists(place / ".git"):
            return


def user_files(environ: Mapping[str, str]) -> list[Path]:
    """Where the user's own configuration may be, first match first; where MassGen's is, too."""
    import platformdirs

    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    given = environ.get("XDG_CONFIG_HOME")
    folders = [Path(given) if given else home / ".config"]
    if environ.get("HOME", "") == os.environ.get("HOME", ""):  # it asks this process' variables
        folders.append(platformdirs.user_config_path("massgen", appauthor=False).parent)
    return [top / "massgen" / name for top in dict.fromkeys(folders) for name in USER_NAMES]
