"""What a configuration may say. MassGen's shape; unknown keys are refused with the nearest name."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    StrictStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from massgen_ls.config.backends import Argv, Backend, Strict
from massgen_ls.config.explain import Misplaced
from massgen_ls.core.task import Mode, Novelty, Sensitivity, TeamOrder, VotingRule

Pattern = Annotated[StrictStr, StringConstraints(pattern=r"^(read|edit|run|fetch|other|\*)(:.+)?$")]
Name = Annotated[
    StrictStr, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
]


class PermissionRules(Strict):
    """What an agent may do without being asked about, and what never."""

    mode: Literal["auto", "allow", "ask", "deny"] = "auto"
    """What no pattern answers. `auto` allows what stays in the worktree, and everything else that a
    sandbox confines; otherwise it asks. `allow`, `ask` and `deny` say it for all of them."""
    allow: tuple[Pattern, ...] = ()
    """What it may do without being asked about: kind, colon, glob, e.g. `run:pytest *`."""
    deny: tuple[Pattern, ...] = ()
    """What it never may; stronger than `allow`."""


class Worker(Strict):
    """What sits at a seat."""

    system_message: StrictStr = ""
    """Said before the task, to agents that read it."""
    backend: Backend
    """What kind of agent it is, and its settings."""
    permissions: PermissionRules = PermissionRules()
    """What it may do; one word is the `mode` alone."""
    fallback: Worker | None = None
    """Takes the seat when this one cannot work."""

    @field_validator("permissions", mode="before")
    @classmethod
    def _one_word(cls, given: object) -> object:
        return {"mode": given} if isinstance(given, str) else given


class _Named(Strict):
    id: Name
    """Its name: letters, digits, dot, dash and underscore; unique."""


class Agent(Worker, _Named):
    """One agent of the team."""


class Check(Strict):
    """A command that judges what agents made."""

    name: Name
    """Its name: letters, digits, dot, dash and underscore; unique."""
    argv: Argv
    """The program and its arguments; never given to a shell."""
    timeout: PositiveFloat = 300.0
    """Seconds; past it the check has failed and its processes are ended."""
    parser: Literal["auto", "exit", "junit", "lines"] = "auto"
    """How failures are told apart: `junit` reads the report at `{junit}`, `lines` takes
    `path:line:col: message`, `exit` looks at the exit code alone, `auto` finds out."""


class Worktree(Strict):
    """What a worktree needs beyond the snapshot."""

    include: tuple[StrictStr, ...] = ()
    """Ignored files to bring in, patterns as in .gitignore, e.g. `.env` or `node_modules`."""
    include_mode: Literal["copy", "symlink"] = "copy"
    """`copy` makes a reflink where there are any. Through a `symlink` an agent can write into your
    own files."""
    setup: tuple[Argv, ...] = ()
    """Commands to run in each worktree before an agent starts."""
    setup_key: tuple[StrictStr, ...] = ()
    """Files whose content decides whether a reused worktree is set up again."""


class SpendingLimits(Strict):
    """What a run may spend before it is ended; what is there by then is judged."""

    max_cost: PositiveFloat | None = None
    """US dollars, of what the agents tell about their costs."""
    max_tokens: PositiveInt | None = None
    """Tokens, in and out."""
    max_minutes: PositiveFloat | None = None
    """Minutes from the start."""


class Judge(Strict):
    """A judge: a configured agent, by its id, or one with a backend of its own."""

    id: Name
    """An agent's id, or a name of its own."""
    backend: Backend | None = None
    """Of a judge that is no agent of the run."""


class VotingRules(Strict):
    """How judges are asked about what the checks cannot tell apart."""

    rule: VotingRule = "pairwise"
    """`pairwise`: which of two, in both orders. `score`: marks for all, in both orders.
    `plurality`: the best of all, once. `evidence-only`: nobody is asked."""
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0
    """With less of a lead nobody wins; 0: ties are broken by agreement, size and order."""
    judges: tuple[Judge, ...] = ()
    """Ids of agents, or agents that only judge; all coding agents of the run otherwise."""
    max_ballots: Annotated[int, Field(ge=0, le=100)] = 12
    """Questions to judges, all in all."""
    timeout: PositiveFloat = 180.0
    """Seconds for each answer."""

    @field_validator("judges", mode="before")
    @classmethod
    def _by_id(cls, given: object) -> object:
        if not isinstance(given, list | tuple):
            return given
        listed = cast("list[object]", given)
        return [{"id": judge} if isinstance(judge, str) else judge for judge in listed]


class CrossTests(Strict):
    """How far the tests that candidates bring are tried on each other."""

    enabled: StrictBool = True
    """Whether they are tried at all."""
    timeout: PositiveFloat = 120.0
    """Seconds for each run."""
    max_tests: PositiveInt = 50
    """Tests of each candidate that count, the first by name."""


class Fusion(Strict):
    """Whether what several candidates share is tried as one more candidate."""

    enabled: StrictBool = False
    """Whether it is tried at all."""


class Orchestrator(Strict):
    """How a run is decided."""

    mode: Mode = "best_of_n"
    """How the winner is found."""
    agents: TeamOrder = "listed"
    """The order of the agents: as they are listed, or `auto`: by how often they won here so far."""
    max_agents: PositiveInt | None = None
    """How many of the agents work, the first in that order; those you name for a run all do."""
    timeout: PositiveFloat = 3600.0
    """Seconds for the agents together; what they made by then is still judged."""
    attempt_timeout: PositiveFloat = 1800.0
    """Seconds for each agent."""
    quorum: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the agents that must have ended before the verdict; the others are cancelled."""
    sandbox: Literal["auto", "off", "required"] = "auto"
    """`auto` confines programs where that works, `required` starts none where it does not."""
    limits: SpendingLimits = SpendingLimits()
    """What a run may spend."""
    voting: VotingRules = VotingRules()
    """How judges are asked about what the checks cannot tell apart."""
    share_candidates: StrictBool = False
    """Agents at work may read what others have finished, and vote on it."""
    instructions: StrictBool = True
    """Agents are given the repository's AGENTS.md, CLAUDE.md or GEMINI.md."""
    cross_tests: CrossTests = CrossTests()
    """Tests that candidates bring are tried on each other."""
    early_exit: StrictBool = True
    """The run ends when more than half of its agents arrived at one change that passes."""
    max_new_answers_per_agent: PositiveInt = 2
    """In consensus: answers of each agent, its first one included."""
    max_new_answers_global: PositiveInt | None = None
    """In consensus: answers of all agents together."""
    answer_novelty_requirement: Novelty = "lenient"
    """In consensus: how different an improvement must be from what is there."""
    voting_sensitivity: Sensitivity = "lenient"
    """In consensus: how readily agents improve instead of voting."""
    fusion: Fusion = Fusion()
    """What several candidates share, as one more candidate."""

    @field_validator("sandbox", mode="before")
    @classmethod
    def _yaml_off(cls, given: object) -> object:
        return "off" if given is False else given  # YAML 1.1 reads `off` as false


class Configuration(Strict):
    """A whole file."""

    agents: tuple[Agent, ...] = ()
    """The team."""
    agent: Agent | None = None
    """A team of one."""
    checks: tuple[Check, ...] = ()
    """What judges candidates."""
    orchestrator: Orchestrator = Orchestrator()
    """How a run is decided."""
    worktree: Worktree = Worktree()
    """What a worktree needs beyond the snapshot."""
    profiles: dict[Name, dict[StrictStr, Any]] = Field({})
    """Settings that count over the rest of the file when their name is chosen."""
    include: StrictStr | tuple[StrictStr, ...] = ()
    """Other files, relative to this one; what this one says counts more."""

    @field_validator("profiles")
    @classmethod
    def _flat(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, profile in given.items():
            for key in ("profiles", "include"):
                if key in profile:
                    raise Misplaced(f"a profile has no {key!r} of its own", (name, key))
        return given

    @model_validator(mode="after")
    def _consistent(self) -> Configuration:
        if self.agent is not None and self.agents:
            raise ValueError("use `agents` or `agent`, not both")
        for kind, names in (
            ("agents", [agent.id for agent in self.agents]),
            ("checks", [check.name for check in self.checks]),
        ):
            for index, name in enumerate(names):
                if name in names[:index]:
                    raise Misplaced(f"two {kind} are called {name!r}", (kind, index))
        self._judges_can_judge()
        return self

    def _judges_can_judge(self) -> None:
        agents = {agent.id: agent.backend for agent in self.workers}
        judges = self.orchestrator.voting.judges
        for index, judge in enumerate(judges):
            where = ("orchestrator", "voting", "judges", index)
            if judge.backend is not None and judge.id in agents:
                raise Misplaced(
                    f"{judge.id!r} is an agent already; name it without a backend, or call the "
                    "judge something else",
                    where,
                )
            backend = judge.backend or agents.get(judge.id)
            if backend is None:
                there = ", ".join(agents) or "none"
                raise Misplaced(f"there is no agent {judge.id!r}; there are: {there}", where)
            if backend.type == "command":
                raise Misplaced(
                    f"{judge.id!r} is a program that edits files, which cannot judge; name a "
                    "coding agent",
                    where,
                )
            if judge.id in [earlier.id for earlier in judges[:index]]:
                raise Misplaced(f"{judge.id!r} is named twice", where)

    @property
    def workers(self) -> tuple[Agent, ...]:
        """The agents, in either form."""
        return (self.agent,) if self.agent else self.agents
