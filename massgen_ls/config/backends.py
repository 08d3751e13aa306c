"""The ``backend`` block of an agent: one model for each type that there is a driver for."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    StrictStr,
    field_validator,
    model_validator,
)

NOT_BUILT = {
    "model APIs": (
        "azure_openai", "cerebras", "chatcompletion", "claude", "fireworks", "gemini", "grok",
        "groq", "inference", "lmstudio", "moonshot", "nebius", "nvidia_nim", "openai",
        "openrouter", "poe", "qwen", "sglang", "together", "uitars", "vllm", "zai",
    ),
    "this coding agent": ("antigravity_cli", "copilot"),
    "agent frameworks": ("ag2", "autogen"),
}  # fmt: skip
"""MassGen's backends that this version has no driver for, by the part that is missing."""

Argv = Annotated[tuple[StrictStr, ...], Field(min_length=1)]


class Strict(BaseModel):
    """Unknown keys are refused; values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Backend(Strict):
    env: tuple[StrictStr, ...] = ()
    """Names of environment variables that it gets beside the usual few."""
    timeout: PositiveFloat | None = None
    """Seconds for one attempt."""

    @field_validator("env")
    @classmethod
    def _names_only(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if "=" in name or not name.replace("_", "a").isalnum():
                raise ValueError("a list of names, e.g. [API_KEY]; values are never stored here")
        return names


class CommandBackend(_Backend):
    """Any program that edits the worktree."""

    type: Literal["command"]
    argv: Argv
    """The program and its arguments; never given to a shell."""
    stdin: Literal["prompt", "none"] = "prompt"
    prompt_file: StrictBool = False
    ok_exit_codes: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)


class _CodingBackend(_Backend):
    model: StrictStr | None = None
    """As the program calls it; its own default otherwise."""
    program: Annotated[StrictStr, Field(min_length=1)] | None = None
    """A name on PATH or a path, instead of the usual one."""
    args: tuple[StrictStr, ...] = ()
    """Further arguments of the program."""
    base_url: Annotated[StrictStr, Field(pattern=r"^https?://[^\s]+$")] | None = None
    """Another address of its service."""
    login: Literal["own", "user"] = "own"
    """``user``: it works with your own login and configuration folder of that program."""
    idle_timeout: PositiveFloat | None = None
    """Seconds of silence after which it is taken for stuck."""
    max_turns: PositiveInt | None = None


class ClaudeCodeBackend(_CodingBackend):
    """Claude Code (``claude``)."""

    type: Literal["claude_code"]


class CodexBackend(_CodingBackend):
    """Codex (``codex``)."""

    type: Literal["codex"]


class GeminiCliBackend(_CodingBackend):
    """Gemini CLI (``gemini``)."""

    type: Literal["gemini_cli"]
    protocol: Literal["acp", "stream-json"] = "acp"
    share: StrictBool = True
    """One process for several seats, where no sandbox confines them."""

    @model_validator(mode="after")
    def _kept(self) -> GeminiCliBackend:
        if self.login == "user" and self.max_turns is not None:
            raise ValueError(
                "`max_turns` cannot be kept with `login: user`: it is a setting of your own "
                "~/.gemini then (model.maxSessionTurns); leave it out"
            )
        return self


class AcpBackend(_CodingBackend):
    """Any agent that speaks the Agent Client Protocol, by name or by its command."""

    type: Literal["acp"]
    agent: StrictStr | None = None
    """A name from our table of agents."""
    argv: Argv | None = None
    """The command that starts it."""
    mode: StrictStr | None = None
    """One of the modes that it offers."""
    auth: StrictStr | None = None
    """One of the ways to authenticate that it offers."""
    options: dict[StrictStr, StrictStr | StrictBool] | None = None
    """Its own options by their names, where it offers some."""
    share: StrictBool = True
    """One process for several seats, where no sandbox confines them."""

    @model_validator(mode="after")
    def _one_way(self) -> AcpBackend:
        if (self.agent is None) == (self.argv is None):
            raise ValueError("give `agent` (a name such as goose) or `argv`, one of the two")
        if self.max_turns is not None:
            raise ValueError(
                "`max_turns` cannot be kept: ACP has no way to say it; use `timeout`, or the "
                "team's `limits`"
            )
        if self.argv is not None and self.base_url is not None:
            raise ValueError(
                "`base_url` goes with `agent`; how a program of your own is led to another "
                "service is said in its `argv` or by a variable that `env` names"
            )
        return self


Backend = Annotated[
    CommandBackend | ClaudeCodeBackend | CodexBackend | GeminiCliBackend | AcpBackend,
    Field(discriminator="type"),
]

BACKENDS: dict[str, type[_Backend]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in (CommandBackend, ClaudeCodeBackend, CodexBackend, GeminiCliBackend, AcpBackend)
}
"""By the word in ``type``."""
TYPES = (*BACKENDS, *(kind for kinds in NOT_BUILT.values() for kind in kinds))
