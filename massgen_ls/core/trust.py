"""Whether a folder is trusted: what it wants, what was said of it, and what that was said for.

Trust is given for a content: for the configuration files that were read, and for the files that
agents obey in a folder that is trusted. When one of them changes, the user is asked again, unless
all of them are as they were when they said so earlier: a branch that one comes back to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from massgen_ls.core.errors import ConfigError
from massgen_ls.core.powers import Power
from massgen_ls.core.wording import counted, one_line

# ── what agents obey by themselves ──────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Own:
    """A file or folder of a project that an agent obeys where the project is trusted."""

    name: str
    who: str
    what: str


AGENTS_OWN: tuple[Own, ...] = (
    Own(".claude", "Claude Code", "hooks, permissions, commands"),
    Own(".mcp.json", "Claude Code", "servers that it starts"),
    Own(".gemini", "Gemini CLI", "hooks, servers, extensions"),
    Own(".env", "Gemini CLI", "variables"),
    Own(".codex", "Codex", "hooks, servers, notify programs"),
    Own(".agents", "Codex", "skills"),
    Own(".qwen", "Qwen Code", "hooks, servers"),
    Own(".opencode", "OpenCode", "plug-ins, servers"),
    Own("opencode.json", "OpenCode", "servers, commands"),
    Own("opencode.jsonc", "OpenCode", "servers, commands"),
    Own(".cursor", "Cursor", "hooks, servers"),
    Own(".vscode/mcp.json", "Copilot", "servers"),
)
"""Looked for in the folder that is opened and in those above it, up to the repository's top."""
NOT_OBEYED = (".claude/worktrees",)
"""What lies there and is nobody's setting."""
SETTINGS = "the editor's settings for this folder"
"""What stands among the files for settings that an editor may have taken out of the folder."""


# ── what trust was given for ────────────────────────────────────────────────────────────────────

Giver = Literal["user", "editor"]
Word = Literal["once", "editor", "granted", "restricted"]
"""What somebody says about a folder now: the user for this run alone; the editor, as something
that it knows; the editor, as something that its user has just said; the editor, that it does not
trust it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A configuration file of the project, as it was read."""

    path: str
    """Absolute, as it was found."""
    digest: str
    """sha256 of what is read of it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a folder would do if it were trusted."""

    root: str
    """The real path of the repository's top, or of the folder where there is none."""
    scope: str
    """The folder in it, ``.`` for the top itself."""
    powers: tuple[Power, ...]
    """What its configuration wants; without these it is harmless."""
    own: tuple[Power, ...] = ()
    """What agents would obey by themselves."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Path from the top → digest."""
    trouble: str = ""
    """Why it cannot be trusted at all."""

    @property
    def folder(self) -> str:
        """The folder itself."""
        return self.root if self.scope == "." else f"{self.root}/{self.scope}"


@dataclass(frozen=True, slots=True)
class Approval:
    """Trust that was given."""

    by: Giver
    files: Mapping[str, str]
    at: str = ""
    """When, as a date and time for people."""
    earlier: tuple[Mapping[str, str], ...] = ()
    """What else was trusted of this folder in the same name, the newest first: other branches."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What holds for a folder now."""

    outcome: Literal["trusted", "untrusted", "ask", "refuse"]
    """``untrusted``: it may work, and nothing that needs trust is done. ``refuse``: not even a
    question is wanted."""
    keep: Giver | None = None
    """In whose name this content is to be remembered as trusted."""
    changed: tuple[str, ...] = ()
    """What differs from what was trusted, for people."""


def decide(
    claim: Claim,
    approvals: Mapping[str, Approval],
    word: Word | None,
    gone: Collection[str] = (),
) -> Decision:
    """Whether a folder is trusted, or who has to say so.

    Args:
        claim: What it is about.
        approvals: What was trusted below the same top, by folder.
        word: What somebody says now.
        gone: Paths that were trusted and are not there any more.
    """
    needed = bool(claim.powers)
    if word == "restricted":
        return Decision("refuse" if needed else "untrusted")
    if claim.trouble:
        return Decision("ask" if needed else "untrusted")
    if word == "once":
        return Decision("trusted")
    if word == "granted":
        return Decision("trusted", "editor")
    givers = ("user", "editor") if word == "editor" else ("user",)
    counted_in = {scope: a for scope, a in approvals.items() if a.by in givers}
    nearest = _nearest(claim.scope, counted_in)
    if nearest is None:
        if word == "editor":
            return Decision("trusted", "editor")
        return Decision("ask" if needed else "untrusted")
    changed = _changed(claim, nearest, counted_in)
    missing = [path for path in sorted(gone) if path in nearest.files]
    if not (changed or missing) or any(_same(claim, each, gone) for each in nearest.earlier):
        return Decision("trusted")
    if not (needed or changed):
        # What is left wants nothing. (It is not trusted either: what is gone may have confined it.)
        return Decision("untrusted")
    return Decision("ask", changed=(*changed, *(f"{one_line(path)} is gone" for path in missing)))


def _nearest(scope: str, approvals: Mapping[str, Approval]) -> Approval | None:
    """The approval of a folder, or of the one nearest above it."""
    while scope not in approvals:
        if scope == ".":
            return None
        scope = scope.rpartition("/")[0] or "."
    return approvals[scope]


def _same(claim: Claim, state: Mapping[str, str], gone: Collection[str]) -> bool:
    """Whether a folder is as it was once trusted.

    As a whole: parts of two states are a third one that nobody has looked at.
    """
    return claim.files.items() <= state.items() and not any(path in state for path in gone)


def _changed(claim: Claim, nearest: Approval, all_: Mapping[str, Approval]) -> tuple[str, ...]:
    said: list[str] = []
    for path, digest in sorted(claim.files.items()):
        # What was said of this very folder counts; of another one below the same top, else.
        known = {a.files[path] for a in all_.values() if path in a.files}
        if path in nearest.files:
            known = {nearest.files[path]}
        if digest not in known:
            if path == SETTINGS:
                said.append(f"{path} {'have changed' if known else 'are new'}")
            else:
                said.append(f"{one_line(path)} {'has changed' if known else 'is new'}")
    return tuple(said)


class UntrustedError(ConfigError):
    """A folder wants what needs its user's trust, and has it not.

    Args:
        claim: What it wants.
        decision: Why it is not trusted.
        complaint: Why what was trusted is not known, for people.
    """

    def __init__(self, claim: Claim, decision: Decision, complaint: str = "") -> None:
        count = len(claim.powers)
        root = one_line(claim.folder)
        if claim.trouble:
            first = f"{root} cannot be trusted: {claim.trouble}"
        elif decision.outcome == "refuse":
            first = f"The editor does not trust {root}, so its configuration is not obeyed"
        elif decision.changed:
            first = f"{root} is not what you trusted: {', '.join(decision.changed)}"
        else:
            first = f"{root} is not trusted yet"
        if count:
            things = counted(count, "thing")
            first += f"; its configuration wants {things} that need{'s' * (count == 1)} your trust:"
        lines = [first, *(f"  {power.shown}" for power in claim.powers)]
        super().__init__(
            "\n".join([complaint, *lines] if complaint else lines), _ways(claim, decision)
        )
        self.claim = claim
        self.decision = decision

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}"


def _ways(claim: Claim, decision: Decision) -> str:
    if claim.trouble:
        return "Use a configuration of your own: --config FILE"
    if decision.outcome == "refuse":
        return "Trust the folder in the editor; or use a configuration of your own: --config FILE"
    folder = one_line(claim.folder)
    if not claim.powers:
        return (
            f"Look at it, then trust it again: massgen-ls trust {folder}; or let agents work "
            f"without the project's own settings: massgen-ls trust --revoke {folder}"
        )
    return (
        f"Look at it, then trust it: massgen-ls trust {folder} (one run alone: run --trust); "
        "or use a configuration of your own: --config FILE"
    )
