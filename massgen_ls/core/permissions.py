"""What an agent may do, when it asks: decided by rule, or by a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

ActionKind = Literal["read", "edit", "run", "fetch", "other"]
Word = Literal["allow", "ask", "deny"]


@dataclass(frozen=True, slots=True)
class Action:
    """What an agent wants to do."""

    kind: ActionKind
    target: str
    """The path, the command line or the address."""
    tool: str = ""
    """The agent's own name for the tool."""
    inside: bool = True
    """Whether ``target``, where it is a path, lies in the agent's worktree or its home."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """The rule of one agent.

    ``mode`` answers what no pattern does: ``auto`` allows what stays in the worktree, and anything
    that a command could do where a sandbox confines commands; for the rest a person is asked.
    ``allow``, ``ask`` and ``deny`` answer for everything but edits outside, which no agent may
    make.
    """

    mode: Literal["auto", "allow", "ask", "deny"] = "auto"
    allow: tuple[str, ...] = ()
    """Patterns such as ``run:pytest *`` or ``fetch:*``: kind, colon, glob over the target. A path
    is compared without ``.`` and ``..`` in it."""
    deny: tuple[str, ...] = ()
    """As ``allow``, and stronger."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, with its reason for people, for the agent and for the record."""

    word: Word
    reason: str


_CHAINED = re.compile(r"[;&|<>`\r\n]|[$=*?]\(|@P\}")
"""What begins another command, in any of the shells that agents use. ``=(…)`` and ``*(e:…:)`` are
zsh's, ``${x@P}`` is bash's."""


def judge(action: Action, rule: Permissions, *, confined: bool) -> Decision:
    """What the rule says about an action.

    Args:
        action: What the agent wants to do.
        rule: The rule of its configuration.
        confined: Whether a sandbox keeps it to its worktree and its home.
    """
    for pattern in rule.deny:
        if _matches(pattern, action, broad=True):
            return Decision("deny", f"`deny: {pattern}` in the configuration")
    if action.kind == "edit" and not action.inside:
        return Decision("deny", f"{action.target} lies outside of its worktree")
    for pattern in rule.allow:
        if _matches(pattern, action, broad=False):
            return Decision("allow", f"`allow: {pattern}` in the configuration")
    if rule.mode != "auto":
        return Decision(rule.mode, f"`permissions: {rule.mode}` in the configuration")
    if action.kind in {"read", "edit"} and action.inside:
        return Decision("allow", "it stays in its worktree")
    if confined:
        return Decision("allow", "the sandbox confines it")
    return Decision("ask", "no sandbox confines it")


def _matches(pattern: str, action: Action, *, broad: bool) -> bool:
    kind, colon, glob = pattern.partition(":")
    if kind not in {action.kind, "*"}:
        return False
    if not colon or glob == "*":
        return True
    target = action.target
    if action.kind in {"read", "edit"}:
        glob = glob.removeprefix("./")
        # `read:src/*` is no leave for `src/../../secret`; a denial holds for every spelling.
        return fnmatchcase(_path(target), glob) or (broad and fnmatchcase(target, glob))
    if action.kind != "run":
        return fnmatchcase(target, glob)
    if broad:
        # A command is denied wherever it stands in a line, however its words are set apart.
        lines = (target, " ".join(target.split()))
        return any(fnmatchcase(line, f"*{glob}*") for line in lines)
    # `run:pytest *` is no leave for `pytest x; rm -rf ~`: an allowed command is one command.
    return fnmatchcase(target, glob) and not _CHAINED.search(target)


def _path(target: str) -> str:
    """A path without detours; it may still begin with ``..``."""
    parts: list[str] = []
    top = "/" if target.startswith("/") else ""
    for part in target.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in {"", "."} and not (part == ".." and top):
            parts.append(part)
    return top + "/".join(parts) or "."
