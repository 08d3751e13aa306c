"""Finding and reading a configuration, and choosing from it."""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from massgen_ls.core.errors import ConfigError
from massgen_ls.core.powers import Power, powers
from massgen_ls.core.task import AgentSpec, CheckSpec, Rules
from massgen_ls.core.trust import Source

if TYPE_CHECKING:
    from massgen_ls.config.document import Document

NAMES = (
    "massgen.yaml",
    "massgen.yml",
    ".massgen/config.yaml",
    ".massgen/config.yml",
)
"""Where a folder's configuration may be, first match first."""

_TOO_BIG = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, validated. Never without agents: the offline team steps in."""

    agents: tuple[AgentSpec, ...]
    checks: tuple[CheckSpec, ...]
    rules: Rules
    source: str
    """Where it comes from, for people."""
    sources: tuple[Source, ...] = ()
    """The files of the project in it; none where the user has named a file themselves."""
    powers: tuple[Power, ...] = ()
    """What those want that needs the user's trust. Nothing of it may be obeyed without."""


def load(folder: Path, file: str | None = None) -> Loaded:
    """The configuration for a folder.

    Args:
        folder: The folder that the user opened. Its own configuration counts, else that of the
            nearest folder above it, up to the repository's top.
        file: A file to use instead, absolute or relative to ``folder``.

    Raises:
        ConfigError: It cannot be read or is wrong; the message has a line for each error.
    """
    found = _given(folder, file) if file else _find(folder)
    if found is None:
        return replace(_offline(), source="the built-in offline team (nothing is configured here)")
    loaded = _read(found, str(found), projects=not file)
    if not loaded.agents:
        return replace(
            loaded, agents=_offline().agents, source=f"{found}, with the built-in offline team"
        )
    return loaded


def team(folder: Path, loaded: Loaded, agents: str | Sequence[str] | None) -> tuple[AgentSpec, ...]:
    """The agents that a user names.

    Args:
        folder: What a file's path is relative to.
        loaded: The configuration to choose from.
        agents: Ids, comma-separated or in a list; or the path of a configuration file, whose
            agents they are then; or nothing, for all of them.

    Raises:
        ConfigError: There is no such agent.
    """
    if not agents:
        return loaded.agents
    if isinstance(agents, str):
        if agents.endswith((".yaml", ".yml", ".json")):
            return load(folder, agents).agents
        agents = [name.strip() for name in agents.split(",") if name.strip()]
        if not agents:
            raise ConfigError("No agent is named", "Give ids of configured agents: a,b")
    return tuple(_pick("agent", name, loaded.agents, lambda a: str(a.id)) for name in agents)


def pick_checks(loaded: Loaded, names: Sequence[str] | None) -> tuple[CheckSpec, ...]:
    """The configured checks of these names; all of them for None.

    Raises:
        ConfigError: There is no such check.
    """
    if names is None:
        return loaded.checks
    return tuple(_pick("check", name, loaded.checks, lambda c: c.name) for name in names)


_T = TypeVar("_T")


def _pick(kind: str, name: str, known: Sequence[_T], named: Callable[[_T], str]) -> _T:
    names = [named(item) for item in known]
    if name in names:
        return known[names.index(name)]
    near = difflib.get_close_matches(name, names, 1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    there = f"There are: {', '.join(names)}" if names else f"No {kind} is configured"
    raise ConfigError(f"There is no {kind} {name!r}", f"{meant}{there}")


def _given(folder: Path, file: str) -> Path:
    path = (folder / file).absolute()
    if not path.exists() and Path(file).exists():
        path = Path(file).absolute()  # relative to where the user typed it
    if not path.is_file():
        raise ConfigError(f"There is no configuration file {file}", "Check the path after --config")
    return path


def _find(folder: Path) -> Path | None:
    for place in (folder, *folder.parents):
        for name in NAMES:
            if (place / name).is_file():
                return place / name
        if (place / ".git").exists():
            break
    return None


def _offline() -> Loaded:
    packaged = importlib.resources.files("massgen_ls") / "configs" / "offline.yaml"
    # In a source checkout the configurations lie beside the package.
    beside = Path(__file__).resolve().parents[2] / "configs" / "offline.yaml"
    text = packaged.read_text("utf-8") if packaged.is_file() else beside.read_text("utf-8")
    return _parse(text, "offline.yaml")[0]


def _read(path: Path, shown: str, *, projects: bool) -> Loaded:
    try:
        if path.stat().st_size > _TOO_BIG:
            raise ConfigError(f"{shown} is over {_TOO_BIG >> 20} MiB, too big for a configuration")
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{shown} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{shown} is not UTF-8 text", "Save it as UTF-8") from error
    loaded, document = _parse(text, shown)
    if not projects:
        return loaded
    return replace(
        loaded,
        sources=(Source(shown, hashlib.sha256(content).hexdigest()),),
        powers=powers(document.body, None, lambda where: (shown, document.place(where)[0])),
    )


def _parse(text: str, shown: str) -> tuple[Loaded, Document]:
    # YAML and pydantic are only imported when something has to be read.
    from massgen_ls.config.document import parse
    from massgen_ls.config.schema import validate

    document = parse(text, shown)
    return validate(document, shown), document
