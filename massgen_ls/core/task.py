"""What a user asks for: the task, its scope, the agents, the checks and the rules of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NewType, TypeAlias

from massgen_ls.core.budget import Limits
from massgen_ls.core.changes import RelPath
from massgen_ls.core.permissions import Permissions

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

RunId = NewType("RunId", str)
"""Sortable and speakable, e.g. ``20261121-065512-k3f9``; safe in refs and file names."""
AgentId = NewType("AgentId", str)
"""An agent's name in the configuration; unique there, ``[A-Za-z0-9._-]+``."""
SeatId = NewType("SeatId", str)
"""An agent in a run. Equal to the agent's id."""
CandidateId = NewType("CandidateId", str)
"""``<seat>.<n>``: the n-th candidate of a seat, from 1 (MassGen's ``agent1.2``)."""

Mode = Literal["best_of_n", "consensus"]
ApplyMode = Literal["auto", "ask", "none"]
TeamOrder = Literal["listed", "auto"]
"""In which order the agents of a team sit: as they are listed, or by their records (see
`core.learning.ordered`)."""
SandboxRule = Literal["auto", "off", "required"]
"""``auto`` confines programs where that works, ``required`` starts none where it does not."""
VotingRule = Literal["pairwise", "score", "plurality", "evidence-only"]
"""How judges are asked about candidates that the checks cannot tell apart. ``pairwise``: which of
two, in both orders. ``score``: marks for all, in both orders. ``plurality``: the best of all, once
(MassGen's vote). ``evidence-only``: not at all."""


Sensitivity = Literal["lenient", "balanced", "strict"]
"""How readily agents in consensus improve instead of voting; words in their question, no more."""
Novelty = Literal["lenient", "balanced", "strict"]
"""How different an improvement must be from what is there (see `core.novelty`)."""


@dataclass(frozen=True, slots=True)
class LineRange:
    """Whole lines, 1-based and inclusive, as people and compilers count them."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A diagnostic that the user asked to have solved; lines are 1-based."""

    path: RelPath
    line: int
    message: str
    source: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """What the task is about. Everything empty means the whole workspace folder."""

    path: RelPath | None = None
    """Relative to the folder that the user opened, where agents start; not to the repository's
    top, which may be above it."""
    lines: LineRange | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture that belongs to a task (see `core.attachments`). Its bytes are kept elsewhere."""

    name: str
    """What people call it: the name of a file."""
    media_type: str
    """``image/png``, ``image/jpeg``, ``image/gif`` or ``image/webp``."""
    digest: str
    """SHA-256 of its bytes, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A conversation that an agent had in an earlier run."""

    type: str
    """The kind of agent: another kind cannot go on with it."""
    session: str
    """The agent's own name for it."""
    run: str = ""
    """That run."""


@dataclass(frozen=True, slots=True)
class Task:
    """One wish of the user, in their words, with its scope."""

    prompt: str
    scope: Scope = field(default_factory=Scope)
    context: str = ""
    """What other agents did before, as text (see `core.context.shared`); mostly empty."""
    origin: Origin | None = None
    """The conversation of which ``context`` tells, where it is that of one agent."""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """A configured agent. ``type`` names the driver, ``settings`` is that driver's own.

    ``settings`` holds the keys of the configuration's ``backend`` block without ``type``,
    already validated; it never holds a secret, only names of environment variables.
    """

    id: AgentId
    type: str
    settings: Mapping[str, Json] = field(default_factory=dict[str, Json])
    system_message: str = ""
    permissions: Permissions = field(default_factory=Permissions)
    fallback: AgentSpec | None = None
    """Takes the seat when this one cannot work; it has the same ``id``, which is the seat's."""


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A command that judges a tree. It runs in a worktree, at the folder the user opened."""

    name: str
    argv: tuple[str, ...]
    timeout: float = 300.0
    """Seconds; past it the check counts as timed out and its processes are ended."""
    parser: str = "auto"
    """``auto``, ``exit``, ``junit`` or ``lines``: how failures are told apart."""


@dataclass(frozen=True, slots=True)
class WorktreeRules:
    """What a worktree needs beyond the snapshot."""

    include: tuple[str, ...] = ()
    """Ignored paths to bring in (gitignore patterns), e.g. ``node_modules`` or ``.env``."""
    include_mode: Literal["copy", "symlink"] = "copy"
    """``copy`` makes a reflink where the file system has them. A symlink lets an agent write
    through it into the user's files: only when asked for."""
    setup: tuple[tuple[str, ...], ...] = ()
    """Commands to run in each worktree before the agent starts."""
    setup_key: tuple[str, ...] = ()
    """Files whose content decides whether a reused worktree must be set up again."""


@dataclass(frozen=True, slots=True)
class Voting:
    """How judges are asked, and what their word decides."""

    rule: VotingRule = "pairwise"
    margin: float = 0.0
    """From 0 to 1: how far the best must be ahead (see `core.ballots.Standing`) where the evidence
    does not decide; less is no verdict. 0: then agreement, size and order decide."""
    judges: tuple[AgentSpec, ...] = ()
    """Who is asked. An agent of the run judges what others made; one that is none only judges."""
    max_ballots: int = 12
    """How many questions are asked in all."""
    timeout: float = 180.0
    """Seconds for each answer."""


@dataclass(frozen=True, slots=True)
class CrossTestRules:
    """Whether and how far the tests that candidates bring are tried on each other."""

    enabled: bool = True
    timeout: float = 120.0
    """Seconds for each run; the check's own limit counts as well."""
    max_tests: int = 50
    """Tests of each candidate that count, the first by name."""


@dataclass(frozen=True, slots=True)
class ConsensusRules:
    """How often agents in consensus may answer anew, and what they are told about it."""

    answers_per_agent: int = 2
    """Answers of each agent, its first one included: 1 means that they only vote."""
    answers: int | None = None
    """Answers of all together, the first ones included; None: no further limit."""
    novelty: Novelty = "lenient"
    sensitivity: Sensitivity = "lenient"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run is decided and when it has to end. Times in seconds."""

    mode: Mode = "best_of_n"
    agents: TeamOrder = "listed"
    max_agents: int | None = None
    """How many of the team work, the first in order; None: all of them."""
    attempt_timeout: float = 1800.0
    run_timeout: float = 3600.0
    """What the agents have together; what they made by then is still judged."""
    quorum: float = 1.0
    """Share of the seats, 0 < quorum <= 1, whose first attempt must have ended before the
    verdict; the others are cancelled. 1.0 waits for all, and a dead seat has ended."""
    sandbox: SandboxRule = "auto"
    worktree: WorktreeRules = field(default_factory=WorktreeRules)
    limits: Limits = field(default_factory=Limits)
    share_candidates: bool = False
    """Whether agents at work may read what the others have finished, and vote on it."""
    instructions: bool = True
    """Whether agents are given the repository's own AGENTS.md, CLAUDE.md or GEMINI.md."""
    trusted: bool = False
    """Whether the agents' own project settings (hooks, servers, permissions) are obeyed."""
    voting: Voting = field(default_factory=Voting)
    cross_tests: CrossTestRules = field(default_factory=CrossTestRules)
    early_exit: bool = True
    """Whether a run ends when more than half of its agents arrived at one change that passes."""
    consensus: ConsensusRules = field(default_factory=ConsensusRules)
    """What holds in mode ``consensus``."""
    fusion: bool = False
    """Whether what several candidates share is tried as one more candidate."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """Everything that decides a run, before it starts. Stored with it."""

    task: Task
    agents: tuple[AgentSpec, ...]
    checks: tuple[CheckSpec, ...] = ()
    rules: Rules = field(default_factory=Rules)
    apply: ApplyMode = "none"
