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
    ValidationError,
    field_validator,
    model_validator,
)

from massgen_ls.config.backends import NOT_BUILT, Argv, Backend, Strict
from massgen_ls.config.document import Document, Where
from massgen_ls.config.explain import explain
from massgen_ls.config.load import Loaded
from massgen_ls.core.budget import Limits, micros
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CheckSpec,
    ConsensusRules,
    CrossTestRules,
    Mode,
    Novelty,
    Rules,
    Sensitivity,
    Voting,
    VotingRule,
    WorktreeRules,
)

Pattern = Annotated[StrictStr, StringConstraints(pattern=r"^(read|edit|run|fetch|other|\*)(:.+)?$")]
Name = Annotated[
    StrictStr, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
]


class PermissionRules(Strict):
    """What an agent may do without being asked about, and what never."""

    mode: Literal["auto", "allow", "ask", "deny"] = "auto"
    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()


class Worker(Strict):
    """What sits at a seat."""

    system_message: StrictStr = ""
    backend: Backend
    permissions: PermissionRules = PermissionRules()
    fallback: Worker | None = None
    """Takes the seat when this one cannot work."""

    @field_validator("permissions", mode="before")
    @classmethod
    def _one_word(cls, given: object) -> object:
        return {"mode": given} if isinstance(given, str) else given


class Agent(Worker):
    """One agent."""

    id: Name


class Check(Strict):
    """One check."""

    name: Name
    argv: Argv
    timeout: PositiveFloat = 300.0
    parser: Literal["auto", "exit", "junit", "lines"] = "auto"


class Worktree(Strict):
    """What a worktree needs beyond the snapshot."""

    include: tuple[StrictStr, ...] = ()
    include_mode: Literal["copy", "symlink"] = "copy"
    setup: tuple[Argv, ...] = ()
    setup_key: tuple[StrictStr, ...] = ()


class SpendingLimits(Strict):
    """What a run may spend before it is ended; what is there by then is judged."""

    max_cost: PositiveFloat | None = None
    """US dollars, of what the agents tell about their costs."""
    max_tokens: PositiveInt | None = None
    max_minutes: PositiveFloat | None = None


class Judge(Strict):
    """A judge: a configured agent, by its id, or one with a backend of its own."""

    id: Name
    backend: Backend | None = None


class VotingRules(Strict):
    """How judges are asked about what the checks cannot tell apart."""

    rule: VotingRule = "pairwise"
    margin: Annotated[float, Field(ge=0, le=1)] = 0.0
    judges: tuple[Judge, ...] = ()
    max_ballots: Annotated[int, Field(ge=0, le=100)] = 12
    timeout: PositiveFloat = 180.0

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
    timeout: PositiveFloat = 120.0
    max_tests: PositiveInt = 50


class Fusion(Strict):
    """Whether what several candidates share is tried as one more candidate."""

    enabled: StrictBool = False


class Orchestrator(Strict):
    """How a run is decided."""

    mode: Mode = "best_of_n"
    timeout: PositiveFloat = 3600.0
    attempt_timeout: PositiveFloat = 1800.0
    quorum: Annotated[float, Field(gt=0, le=1)] = 1.0
    sandbox: Literal["auto", "off", "required"] = "auto"
    limits: SpendingLimits = SpendingLimits()
    voting: VotingRules = VotingRules()
    share_candidates: StrictBool = False
    """Agents at work may read what others have finished, and vote on it."""
    instructions: StrictBool = True
    """Agents are given the repository's AGENTS.md, CLAUDE.md or GEMINI.md."""
    cross_tests: CrossTests = CrossTests()
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

    @field_validator("sandbox", mode="before")
    @classmethod
    def _yaml_off(cls, given: object) -> object:
        return "off" if given is False else given  # YAML 1.1 reads `off` as false


class Configuration(Strict):
    """A whole file."""

    agents: tuple[Agent, ...] = ()
    agent: Agent | None = None
    """MassGen's form for one agent alone."""
    checks: tuple[Check, ...] = ()
    orchestrator: Orchestrator = Orchestrator()
    worktree: Worktree = Worktree()

    @model_validator(mode="after")
    def _consistent(self) -> Configuration:
        if self.agent is not None and self.agents:
            raise ValueError("use `agents` or `agent`, not both")
        for kind, names in (
            ("agents", [agent.id for agent in self.agents]),
            ("checks", [check.name for check in self.checks]),
        ):
            double = next((name for name in names if names.count(name) > 1), None)
            if double is not None:
                raise ValueError(f"two {kind} are called {double!r}")
        self._judges_can_judge()
        return self

    def _judges_can_judge(self) -> None:
        agents = {agent.id: agent.backend for agent in self.workers}
        judges = self.orchestrator.voting.judges
        for judge in judges:
            if judge.backend is not None and judge.id in agents:
                raise ValueError(
                    f"orchestrator.voting.judges: {judge.id!r} is an agent already; "
                    "name it without a backend, or call the judge something else"
                )
            backend = judge.backend or agents.get(judge.id)
            if backend is None:
                there = ", ".join(agents) or "none"
                raise ValueError(
                    f"orchestrator.voting.judges: there is no agent {judge.id!r}; "
                    f"there are: {there}"
                )
            if backend.type == "command":
                raise ValueError(
                    f"orchestrator.voting.judges: {judge.id!r} is a program that edits files, "
                    "which cannot judge; name a coding agent"
                )
        names = [judge.id for judge in judges]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            raise ValueError(f"orchestrator.voting.judges: {double!r} is named twice")

    @property
    def workers(self) -> tuple[Agent, ...]:
        """The agents, in either form."""
        return (self.agent,) if self.agent else self.agents


def validate(document: Document, shown: str) -> Loaded:
    """A parsed file as values of the core.

    Raises:
        ConfigError: With a line for each error: place, what is wrong, what was perhaps meant.
    """
    given: object = document.body
    if not isinstance(given, dict):
        raise ConfigError(
            f"{shown}:1:1: a configuration is a mapping with keys such as `agents` and `checks`"
        )
    _refuse_unbuilt(document, shown)
    try:
        parsed = Configuration.model_validate(document.body)
    except ValidationError as errors:
        lines = [
            explain(document, shown, e, Configuration) for e in errors.errors(include_url=False)
        ]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None
    agents = parsed.workers
    rules = parsed.orchestrator
    limits = rules.limits
    return Loaded(
        tuple(_agent(agent.id, agent) for agent in agents),
        tuple(CheckSpec(c.name, c.argv, c.timeout, c.parser) for c in parsed.checks),
        Rules(
            mode=rules.mode,
            attempt_timeout=rules.attempt_timeout,
            run_timeout=rules.timeout,
            quorum=rules.quorum,
            sandbox=rules.sandbox,
            worktree=WorktreeRules(**parsed.worktree.model_dump()),
            limits=Limits(
                None if limits.max_cost is None else micros(limits.max_cost),
                limits.max_tokens,
                limits.max_minutes,
            ),
            share_candidates=rules.share_candidates,
            instructions=rules.instructions,
            voting=_voting(parsed),
            cross_tests=CrossTestRules(**rules.cross_tests.model_dump()),
            early_exit=rules.early_exit,
            consensus=ConsensusRules(
                rules.max_new_answers_per_agent,
                rules.max_new_answers_global,
                rules.answer_novelty_requirement,
                rules.voting_sensitivity,
            ),
            fusion=rules.fusion.enabled,
        ),
        shown,
    )


def _voting(parsed: Configuration) -> Voting:
    given = parsed.orchestrator.voting
    agents = {agent.id: agent for agent in parsed.workers}
    judges = (
        _agent(j.id, agents[j.id] if j.backend is None else Worker(backend=j.backend))
        for j in given.judges
    )
    return Voting(given.rule, given.margin, tuple(judges), given.max_ballots, given.timeout)


def _agent(seat: str, agent: Worker) -> AgentSpec:
    settings = agent.backend.model_dump(mode="json", exclude={"type"}, exclude_none=True)
    rule = agent.permissions
    return AgentSpec(
        AgentId(seat),
        agent.backend.type,
        settings,
        agent.system_message,
        Permissions(rule.mode, rule.allow, rule.deny),
        _agent(seat, agent.fallback) if agent.fallback else None,
    )


def _refuse_unbuilt(document: Document, shown: str) -> None:
    """A backend that MassGen has and we have not yet is no misspelling: say what is missing."""
    body = _mapping(document.body)
    agents: Any = body.get("agents")
    listed: list[tuple[Where, Any]] = []
    if isinstance(agents, list):
        listed = [(("agents", i), agent) for i, agent in enumerate(cast("list[Any]", agents))]
    listed.append((("agent",), body.get("agent")))
    for where, agent in listed:
        if fallback := _mapping(agent).get("fallback"):
            listed.append(((*where, "fallback"), fallback))
        kind = _mapping(_mapping(agent).get("backend")).get("type")
        for part, kinds in NOT_BUILT.items():
            if kind in kinds:
                line, column = document.place((*where, "backend", "type"))
                raise ConfigError(
                    f"{shown}:{line}:{column}: backend type {kind!r} needs the drivers for {part},"
                    " which this version does not have",
                    "Use one of its coding agents (claude_code, codex, gemini_cli, acp), or "
                    "`type: command` with a program that edits files",
                )


def _mapping(given: object) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}
