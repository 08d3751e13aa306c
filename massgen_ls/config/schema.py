"""What a configuration may say. MassGen's shape; unknown keys are refused with the nearest name."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    StrictBool,
    StrictStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from massgen_ls.config.document import Document, Where
from massgen_ls.config.load import Loaded
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CheckSpec,
    Mode,
    Rules,
    WorktreeRules,
)

NOT_BUILT = {
    "model APIs": (
        "azure_openai", "cerebras", "chatcompletion", "claude", "fireworks", "gemini", "grok",
        "groq", "inference", "lmstudio", "moonshot", "nebius", "nvidia_nim", "openai",
        "openrouter", "poe", "qwen", "sglang", "together", "uitars", "vllm", "zai",
    ),
    "coding agents": ("antigravity_cli", "claude_code", "codex", "copilot", "gemini_cli", "acp"),
    "agent frameworks": ("ag2", "autogen"),
}  # fmt: skip
"""MassGen's backends that this version has no driver for, by the part that is missing."""

Name = Annotated[
    StrictStr, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
]
Argv = Annotated[tuple[StrictStr, ...], Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CommandBackend(_Strict):
    """Any program that edits the worktree."""

    type: Literal["command"]
    argv: Argv
    """The program and its arguments; never given to a shell."""
    stdin: Literal["prompt", "none"] = "prompt"
    prompt_file: StrictBool = False
    env: tuple[StrictStr, ...] = ()
    """Names of environment variables that it gets beside the usual few."""
    timeout: PositiveFloat | None = None
    ok_exit_codes: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)

    @field_validator("env")
    @classmethod
    def _names_only(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if "=" in name or not name.replace("_", "a").isalnum():
                raise ValueError("a list of names, e.g. [API_KEY]; values are never stored here")
        return names


class Agent(_Strict):
    """One agent."""

    id: Name
    system_message: StrictStr = ""
    backend: CommandBackend


class Check(_Strict):
    """One check."""

    name: Name
    argv: Argv
    timeout: PositiveFloat = 300.0
    parser: Literal["auto", "exit", "junit", "lines"] = "auto"


class Worktree(_Strict):
    """What a worktree needs beyond the snapshot."""

    include: tuple[StrictStr, ...] = ()
    include_mode: Literal["copy", "symlink"] = "copy"
    setup: tuple[Argv, ...] = ()
    setup_key: tuple[StrictStr, ...] = ()


class Orchestrator(_Strict):
    """How a run is decided."""

    mode: Mode = "best_of_n"
    timeout: PositiveFloat = 3600.0
    attempt_timeout: PositiveFloat = 1800.0
    quorum: Annotated[float, Field(gt=0, le=1)] = 1.0
    sandbox: Literal["auto", "off", "required"] = "auto"

    @field_validator("sandbox", mode="before")
    @classmethod
    def _yaml_off(cls, given: object) -> object:
        return "off" if given is False else given  # YAML 1.1 reads `off` as false


class Configuration(_Strict):
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
        return self


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
        lines = [_explain(document, shown, e) for e in errors.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None
    agents = (parsed.agent,) if parsed.agent else parsed.agents
    rules = parsed.orchestrator
    return Loaded(
        tuple(_agent(agent) for agent in agents),
        tuple(CheckSpec(c.name, c.argv, c.timeout, c.parser) for c in parsed.checks),
        Rules(
            mode=rules.mode,
            attempt_timeout=rules.attempt_timeout,
            run_timeout=rules.timeout,
            quorum=rules.quorum,
            sandbox=rules.sandbox,
            worktree=WorktreeRules(**parsed.worktree.model_dump()),
        ),
        shown,
    )


def _agent(agent: Agent) -> AgentSpec:
    settings = agent.backend.model_dump(mode="json", exclude={"type"}, exclude_none=True)
    return AgentSpec(AgentId(agent.id), agent.backend.type, settings, agent.system_message)


def _refuse_unbuilt(document: Document, shown: str) -> None:
    """A backend that MassGen has and we have not yet is no misspelling: say what is missing."""
    body = _mapping(document.body)
    agents: Any = body.get("agents")
    listed: list[tuple[Where, Any]] = []
    if isinstance(agents, list):
        listed = [(("agents", i), agent) for i, agent in enumerate(cast("list[Any]", agents))]
    listed.append((("agent",), body.get("agent")))
    for where, agent in listed:
        kind = _mapping(_mapping(agent).get("backend")).get("type")
        for part, kinds in NOT_BUILT.items():
            if kind in kinds:
                line, column = document.place((*where, "backend", "type"))
                raise ConfigError(
                    f"{shown}:{line}:{column}: backend type {kind!r} needs the drivers for {part},"
                    " which this version does not have",
                    "Use `type: command` with a program that edits files",
                )


def _mapping(given: object) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


_CHOICES = {"type": ("command", *(k for kinds in NOT_BUILT.values() for k in kinds))}


def _explain(document: Document, shown: str, error: Any) -> str:
    where: Where = tuple(error["loc"])
    line, column = document.place(where)
    path = _path(where)
    kind: str = error["type"]
    given: object = error.get("input")
    if kind == "extra_forbidden":
        what = f"unknown key {where[-1]!r}{_near(str(where[-1]), _keys_at(where[:-1]))}"
        path = _path(where[:-1])
    elif kind == "missing":
        what = f"the key {where[-1]!r} is missing"
        path = _path(where[:-1])
    elif kind == "literal_error":
        allowed = str(error["ctx"]["expected"]).replace("'", "")
        known = [word.strip() for word in allowed.replace(" or ", ",").split(",")]
        if where[-1] in _CHOICES:
            known = [*_CHOICES[str(where[-1])]]
        near = difflib.get_close_matches(str(given), known, 1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        what = f"{given!r} is none of: {allowed}{meant}"
    elif kind == "string_pattern_mismatch":
        what = f"{given!r} is no name: letters, digits, dot, dash and underscore only"
    elif kind in {"value_error"}:
        what = str(error["ctx"]["error"])
    else:
        shown_input = _KINDS.get(type(given)) or repr(given)
        asked = error["msg"].removeprefix("Input ").replace("valid tuple", "list")
        asked = asked.removeprefix("Tuple ").removesuffix(", not 0")
        what = f"{asked}, not {shown_input[:60]}"
    return f"{shown}:{line}:{column}: {f'in {path}: ' if path else ''}{what}"


_KINDS: dict[type, str] = {dict: "a mapping", list: "a list"}


def _path(where: Where) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _keys_at(where: Where) -> list[str]:
    """The keys that the schema knows at a place."""
    model: Any = Configuration
    for part in where:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(part)
        if info is None:
            return []
        model = _model_in(info.annotation)
        if model is None:
            return []
    return list(model.model_fields)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m), None)


def _near(given: str, known: list[str]) -> str:
    near = difflib.get_close_matches(given, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known are: {', '.join(known)}"
