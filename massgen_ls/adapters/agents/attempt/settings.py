"""What all coding agents are configured with, and how their program is found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from massgen_ls.core.task import AgentSpec, Json

IDLE = 900.0
"""Seconds of silence after which an agent is taken for stuck: a test suite may run that long."""
FAREWELL = 5.0
"""Seconds that a program has to end by itself after its result."""


@dataclass(frozen=True, slots=True)
class CodingSettings:
    """The ``backend`` block of a coding agent, validated by the configuration already."""

    program: str
    """A name to be found on PATH, or a path."""
    args: tuple[str, ...] = ()
    """Given to the program after our own."""
    model: str = ""
    base_url: str = ""
    """Where its service is; empty: where the program goes by itself."""
    env: tuple[str, ...] = ()
    """Names of further variables of ours that it gets."""
    login: str = "own"
    """``own``: it knows nothing of the user's but the keys in ``env`` and the usual variables;
    ``user``: it uses the user's own login and configuration folder."""
    timeout: float | None = None
    idle_timeout: float = IDLE
    max_turns: int | None = None

    @classmethod
    def of(cls, spec: AgentSpec, program: str) -> CodingSettings:
        """Reads an agent's settings; ``program`` is what it is called by default."""
        given = spec.settings
        return cls(
            program=_text(given, "program") or program,
            args=_texts(given, "args"),
            model=_text(given, "model"),
            base_url=_text(given, "base_url"),
            env=_texts(given, "env"),
            login=_text(given, "login") or "own",
            timeout=_number(given, "timeout"),
            idle_timeout=_number(given, "idle_timeout") or IDLE,
            max_turns=int(turns) if (turns := _number(given, "max_turns")) else None,
        )


def _text(given: Mapping[str, Json], key: str) -> str:
    value = given.get(key)
    return value if isinstance(value, str) else ""


def _texts(given: Mapping[str, Json], key: str) -> tuple[str, ...]:
    value = given.get(key)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _number(given: Mapping[str, Json], key: str) -> float | None:
    value = given.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def from_top(path: str, top: str) -> str:
    """A path as people read it: relative to the worktree's top where it lies in it."""
    if not path or not os.path.isabs(path):
        return path
    for root in (top, os.path.realpath(top)):
        if path == root:
            return "."
        if path.startswith(root + os.sep):
            return path[len(root) + 1 :]
    return path


def inside(path: str, *roots: str) -> bool:
    """Whether a path, relative to the first root or absolute, lies in one of the roots.

    Links are followed: what leads outside is outside. Reads the disk.
    """
    try:
        whole = os.path.realpath(os.path.join(roots[0], path))
    except ValueError:
        return False  # a NUL, or half a character: no path at all
    return any(
        whole == root or whole.startswith(root + os.sep)
        for root in (os.path.realpath(root) for root in roots)
    )
