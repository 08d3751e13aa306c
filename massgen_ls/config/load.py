"""Finding and reading a configuration, and choosing from it."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from massgen_ls.config.layers import Layer, Merged, merge
from massgen_ls.config.places import NAMES
from massgen_ls.config.problems import InvalidConfig, Problem, Where
from massgen_ls.config.sources import (
    SET_BY_NAME,
    Beside,
    FileRead,
    Gathered,
    gather,
    offline,
    without_none,
)
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.powers import Power, in_short, powers, spelled
from massgen_ls.core.task import AgentSpec, CheckSpec, Rules
from massgen_ls.core.trust import SETTINGS, Source

__all__ = ["NAMES", "Loaded", "load", "missing_parts", "pick_checks", "team"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, validated. Never without agents: the offline team steps in."""

    agents: tuple[AgentSpec, ...]
    checks: tuple[CheckSpec, ...]
    rules: Rules
    source: str
    """Where it comes from, for people."""
    merged: Merged = field(default_factory=Merged, repr=False)
    """What was said where: `Merged.origin` of every value, and so who wrote it."""
    files: tuple[FileRead, ...] = ()
    """Every file that is in it, the lowest first."""
    warnings: tuple[Problem, ...] = ()
    """What is worth knowing and does not stop anything."""
    sources: tuple[Source, ...] = ()
    """The files of the project in it; none where the user has named a file themselves."""
    powers: tuple[Power, ...] = ()
    """What those want that needs the user's trust. Nothing of it may be obeyed without."""
    settings: str = ""
    """Digest of the editor's settings, where they may be the project's and want such things."""


def load(folder: Path, file: str | None = None, beside: Beside | None = None) -> Loaded:
    """The configuration for a folder, as it is at this moment.

    Args:
        folder: The folder that the user opened. Its own configuration counts, else that of the
            nearest folder above it, up to the repository's top.
        file: A file to use instead of the project's, absolute or relative to ``folder``.
        beside: What counts beside files, and texts that are newer than files.

    Raises:
        ConfigError: It cannot be read or is wrong; an `InvalidConfig` has a `Problem` for each
            error, each with its file.
    """
    # YAML and pydantic are only imported when something has to be read.
    from massgen_ls.config.validation import validated

    beside = beside or Beside()
    named = _given(folder, file, beside) if file else None
    found = gather(folder, named, beside)
    errors = [p for p in found.problems if p.severity == "error"]
    shown = str(found.project) if found.project else "the configuration"
    if errors:
        raise InvalidConfig(errors, shown)
    # A file that the user names is their own word, wherever it lies.
    found = found.as_the_user_s if named else found
    merged = _merged(found.layers)
    wanted = _powers(merged)  # before variables are replaced: a value of the user's is not shown
    loaded = validated(merged, beside.env, str(folder), shown)
    return replace(
        loaded,
        source=_source(merged, found.project, found.files),
        files=found.files,
        warnings=(*found.problems, *loaded.warnings),
        sources=tuple(Source(str(f.path), f.digest) for f in found.files if f.author == "project"),
        powers=wanted,
        settings=_digest(beside, found, wanted),
    )


def _merged(layers: Sequence[Layer]) -> Merged:
    merged = merge(layers)
    if not merged.body.get("agents") and "agent" not in merged.body:
        return merge([*layers, offline()])
    return merged


def _digest(beside: Beside, found: Gathered, wanted: Sequence[Power]) -> str:
    """Of the editor's settings, when they add to what the project wants."""
    if beside.settings_by != "project" or not wanted:
        return ""
    # A choice moves agents in the list, and is no new wish.
    known = {replace(power, key="") for power in _powers(_merged(found.without_settings))}
    if all(replace(power, key="") in known for power in wanted):
        return ""
    said = {k: v for k, v in beside.settings.items() if k in (*SET_BY_NAME, "profile")}
    text = json.dumps(without_none(said), sort_keys=True, default=str)
    return f"settings {hashlib.sha256(text.encode()).hexdigest()}"


def _powers(merged: Merged) -> tuple[Power, ...]:
    """What the project says that the layers of the user and ours would not have."""
    theirs = [layer for layer in merged.layers if layer.author == "project"]
    if not theirs:
        return ()
    below = merge([layer for layer in merged.layers if layer.author != "project"])

    def place(where: Where) -> tuple[str, int] | None:
        there = merged.says(where)
        while not merged.says(where):
            where = where[:-1]
        parts = [where, *(w for w in merged.sources if w[: len(where)] == where)]
        for origin in map(merged.origin, parts):
            if origin.author == "project":
                return origin.source, origin.line
        # What is gone was taken away by the project, for the others have it.
        first = theirs[0].source
        return None if there else (first, 0 if first == SETTINGS else 1)

    found = powers(merged.body, below.body, place, merged=True)
    named = {power.key for power in found}
    return (*found, *(power for power in _reads(merged) if named.isdisjoint(_around(power.key))))


def _reads(merged: Merged) -> Iterator[Power]:
    """The variables that a project would write into its values."""
    from massgen_ls.config.expand import variables

    for where, value, origin in merged.leaves():
        names = variables(value, where) if isinstance(value, str) else ()
        if names and origin.author == "project":
            why = f"reads your {', '.join(names)}"
            yield Power(origin.source, origin.line, spelled(where), in_short(value), why)


def _around(key: str) -> set[str]:
    """A key, and those that it is in."""
    return {key, *(key[:n] for n, c in enumerate(key) if c in ".[")}


def _source(merged: Merged, project: Path | None, files: Sequence[FileRead]) -> str:
    others = [str(file.path) for file in files if file.path != project]
    named = ", ".join(filter(None, [str(project) if project else "", *others]))
    if merged.origin(("agents",)).layer != "defaults":
        return named or merged.origin(("agents",)).source
    if named:
        return f"{named}, with the built-in offline team"
    return "the built-in offline team (nothing is configured here)"


def missing_parts(agents: Sequence[AgentSpec]) -> Iterator[tuple[str, str]]:
    """What a team would need that this version does not have, with what to use instead.

    Args:
        agents: Its agents and judges; their fallbacks count too.
    """
    from massgen_ls.config.backends import INSTEAD, NOT_BUILT

    for agent in agents:
        name, each = f"The agent {agent.id!r}", agent
        while True:
            for part, kinds in NOT_BUILT.items():
                if each.type in kinds:
                    near = INSTEAD.get(each.type)
                    yield (
                        f"{name} has the backend {each.type!r}, which needs the drivers for "
                        f"{part}, and this version does not have them",
                        f"Use {near + ' or another' if near else 'one'} of its coding agents "
                        "(claude_code, codex, gemini_cli, acp), or `type: command` with a program "
                        "that edits files",
                    )
            if each.fallback is None:
                break
            name, each = f"A fallback of the agent {agent.id!r}", each.fallback


def team(
    folder: Path,
    loaded: Loaded,
    agents: str | Sequence[str] | None,
    beside: Beside | None = None,
) -> tuple[AgentSpec, ...]:
    """The agents that a user names, which can all work.

    Args:
        folder: What a file's path is relative to.
        loaded: The configuration to choose from.
        agents: Ids, comma-separated or in a list; or the path of a configuration file, whose
            agents they are then; or nothing, for all of them.
        beside: As for `load`, for such a file.

    Raises:
        ConfigError: There is no such agent, or one of them or of the judges needs a part that this
            version does not have.
    """
    chosen = _chosen(folder, loaded, agents, beside)
    missing = dict(missing_parts((*chosen, *loaded.rules.voting.judges)))
    if missing:
        raise ConfigError(". ".join(missing), next(iter(missing.values())))
    return chosen


def _chosen(
    folder: Path,
    loaded: Loaded,
    agents: str | Sequence[str] | None,
    beside: Beside | None,
) -> tuple[AgentSpec, ...]:
    if not agents:
        return loaded.agents
    if isinstance(agents, str):
        if agents.endswith((".yaml", ".yml", ".json", ".toml")):
            # Its agents it shall be: an editor's settings are about the folder's.
            return load(folder, agents, replace(beside or Beside(), settings={})).agents
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


def _given(folder: Path, file: str, beside: Beside) -> Path:
    path = (folder / file).absolute()
    if not path.exists() and Path(file).exists():
        path = Path(file).absolute()  # relative to where the user typed it
    if not path.is_file() and (beside.read is None or beside.read(path) is None):
        raise ConfigError(f"There is no configuration file {file}", "Check the path after --config")
    return path
