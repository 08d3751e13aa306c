"""The ``backend`` block of an agent: one model for each kind, also those without a driver yet."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StrictBool,
    StrictStr,
    StringConstraints,
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
"""Backends of MassGen that this version has no driver for, by the part that is missing. They are
valid in a file; a run that would need one says so."""

INSTEAD = {
    "claude": "`type: claude_code`",
    "openai": "`type: codex`",
    "azure_openai": "`type: codex`",
    "gemini": "`type: gemini_cli`",
    "antigravity_cli": "`type: gemini_cli`",
    "copilot": "`{type: acp, agent: copilot}`",
    "qwen": "`{type: acp, agent: qwen}`",
    "moonshot": "`{type: acp, agent: kimi}`",
}
"""The coding agent that is nearest to one of those."""

Argv = Annotated[tuple[StrictStr, ...], Field(min_length=1)]
Address = Annotated[StrictStr, Field(pattern=r"^https?://[^\s]+$")]
Variable = Annotated[StrictStr, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of an environment variable."""
KeyByName = Annotated[StrictStr, StringConstraints(pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$")]
"""A key by the name of its variable: ``${NAME}``."""


class Strict(BaseModel):
    """Unknown keys are refused; values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Backend(Strict):
    timeout: PositiveFloat | None = None
    """Seconds for one attempt; `orchestrator.attempt_timeout` otherwise."""


class _ProgramBackend(_Backend):
    env: tuple[StrictStr, ...] = ()
    """Names of environment variables that it gets beside the usual few."""

    @field_validator("env")
    @classmethod
    def _names_only(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if "=" in name or not name.replace("_", "a").isalnum():
                raise ValueError("a list of names, e.g. [API_KEY]; values are never stored here")
        return names


class CommandBackend(_ProgramBackend):
    """Any program that edits files in its working folder."""

    type: Literal["command"]
    argv: Argv
    """The program and its arguments; never given to a shell. Placeholders are replaced."""
    stdin: Literal["prompt", "none"] = "prompt"
    """What it reads on standard input."""
    prompt_file: StrictBool = False
    """The prompt is also written to a file, `{prompt_file}`."""
    ok_exit_codes: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """With any other exit code it has failed."""


class _CodingBackend(_ProgramBackend):
    model: StrictStr | None = None
    """As the program calls it; its own default otherwise."""
    program: Annotated[StrictStr, Field(min_length=1)] | None = None
    """A name on PATH or a path, instead of the usual one."""
    args: tuple[StrictStr, ...] = ()
    """Further arguments of the program."""
    base_url: Address | None = None
    """Another address of its service."""
    login: Literal["own", "user"] = "own"
    """`own`: it knows nothing of you but the variables it gets. `user`: it works with your own
    login and configuration folder of that program."""
    idle_timeout: PositiveFloat | None = None
    """Seconds of silence after which it is taken for stuck; 900 otherwise."""
    max_turns: PositiveInt | None = None
    """How often it may ask its model; refused where the program has no such limit (`acp`)."""


class ClaudeCodeBackend(_CodingBackend):
    """Claude Code (`claude`)."""

    type: Literal["claude_code"]


class CodexBackend(_CodingBackend):
    """Codex (`codex`)."""

    type: Literal["codex"]


class GeminiCliBackend(_CodingBackend):
    """Gemini CLI (`gemini`)."""

    type: Literal["gemini_cli"]
    protocol: Literal["acp", "stream-json"] = "acp"
    """How it is talked to. With `acp` it can be asked and told things while it works."""
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
    """A name from our table of agents, e.g. goose."""
    argv: Argv | None = None
    """The command that starts it, instead of a name."""
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


class OtherCodingBackend(_CodingBackend):
    """Coding agents that this version has no driver for."""

    type: Literal["antigravity_cli", "copilot"]


class Reasoning(Strict):
    """How much a model thinks before it answers."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    """More costs more tokens and time."""
    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    """Whether it tells what it thought."""


class _ModelBackend(_Backend):
    model: StrictStr | None = None
    """As the service calls it."""
    api_key_env: Variable | None = None
    """The name of the environment variable that holds the key; the service's usual one otherwise.
    """
    api_key: KeyByName | None = None
    """The same in MassGen's form: `${NAME}`. A key itself never stands in a file."""
    base_url: Address | None = None
    """Another address of the service."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """How freely it chooses its words; the service's default otherwise."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of probability that it chooses from."""
    max_tokens: PositiveInt | None = None
    """The longest answer, in tokens."""

    @model_validator(mode="after")
    def _one_key(self) -> _ModelBackend:
        if self.api_key is not None and self.api_key_env is not None:
            raise ValueError("give `api_key_env` or `api_key`, one of the two")
        return self


class OpenAiBackend(_ModelBackend):
    """The OpenAI API (Responses)."""

    type: Literal["openai"]
    reasoning: Reasoning | None = None
    """How much it thinks before it answers."""


class AzureOpenAiBackend(_ModelBackend):
    """OpenAI's models on Azure; `base_url` is your resource, `model` your deployment."""

    type: Literal["azure_openai"]
    api_version: StrictStr | None = None
    """The version of the API, a date."""


class ClaudeBackend(_ModelBackend):
    """The Anthropic API (Messages)."""

    type: Literal["claude"]
    top_k: PositiveInt | None = None
    """How many words it chooses from."""


class GeminiBackend(_ModelBackend):
    """The Gemini API."""

    type: Literal["gemini"]
    top_k: PositiveInt | None = None
    """How many words it chooses from."""


class CompatibleBackend(_ModelBackend):
    """Services that speak the OpenAI chat completions API; `chatcompletion` is any of them."""

    type: Literal[
        "cerebras", "chatcompletion", "fireworks", "grok", "groq", "inference", "moonshot",
        "nebius", "nvidia_nim", "openrouter", "poe", "qwen", "together", "uitars", "zai",
    ]  # fmt: skip
    reasoning: Reasoning | None = None
    """How much it thinks before it answers, where the service knows that."""


class LocalBackend(_ModelBackend):
    """Servers on your own machine: LM Studio, vLLM, SGLang."""

    type: Literal["lmstudio", "sglang", "vllm"]
    top_k: PositiveInt | None = None
    """How many words it chooses from."""
    repetition_penalty: PositiveFloat | None = None
    """Above 1: it repeats itself less."""
    separate_reasoning: StrictBool | None = None
    """SGLang: thoughts are told apart from the answer."""
    chat_template_kwargs: dict[StrictStr, Any] | None = None
    """For the model's chat template, e.g. `{enable_thinking: true}`."""


class FrameworkBackend(_Backend):
    """Agents of AG2 (once AutoGen)."""

    type: Literal["ag2", "autogen"]
    agent_config: dict[StrictStr, Any] | None = None
    """The agent as the framework has it."""


Backend = Annotated[
    CommandBackend
    | ClaudeCodeBackend
    | CodexBackend
    | GeminiCliBackend
    | AcpBackend
    | OtherCodingBackend
    | OpenAiBackend
    | AzureOpenAiBackend
    | ClaudeBackend
    | GeminiBackend
    | CompatibleBackend
    | LocalBackend
    | FrameworkBackend,
    Field(discriminator="type"),
]

_MODELS: tuple[type[_Backend], ...] = get_args(get_args(Backend)[0])
BACKENDS: dict[str, type[_Backend]] = {
    kind: model for model in _MODELS for kind in get_args(model.model_fields["type"].annotation)
}
"""By the word in ``type``."""
TYPES = tuple(BACKENDS)
BUILT = tuple(k for k in TYPES if not any(k in kinds for kinds in NOT_BUILT.values()))
"""Those that there is a driver for."""
