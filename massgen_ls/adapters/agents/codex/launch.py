"""How Codex is started: what it may do, its arguments, environment, and configuration.

The ``backend`` block of such an agent::

    type: codex
    model: gpt-5.5           # as `codex -m` takes it; its own default otherwise
    program: codex           # a name on PATH, or a path
    args: [-c, 'model_reasoning_effort="high"']    # further arguments of `codex exec`
    base_url: https://…      # another service that speaks the Responses API
    env: [MY_API_KEY]        # names of further variables that it gets
    login: own               # or user: your own `codex login` and configuration
    max_turns: 60            # tools that it may use until it is stopped
    timeout: 1200            # seconds for the whole attempt
    idle_timeout: 900        # seconds of silence after which it is taken for stuck

The task comes on stdin and our settings in a ``config.toml`` that nobody else may read; with
``login: user`` that file is the user's, and ours are arguments. Keys and tokens are in the
environment alone, under names that the agent's own commands do not see.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from massgen_ls.adapters.agents.attempt.instructions import instructions
from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.program.surroundings import (
    NETWORK,
    Surroundings,
    make_home,
    write_private,
)
from massgen_ls.core.permissions import Action
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import Access, Brief, Command, Fence, Place

PROGRAM = "codex"
KEYS = ("CODEX_API_KEY", "OPENAI_API_KEY")
"""Either of them lets it in."""
TOKEN = "MASSGEN_MCP_TOKEN"  # noqa: S105 - the name of a variable
RETRIES = 2
"""How often it asks its service again by itself; the seat goes on from there, and says so."""
_PROVIDER = "massgen"
_OPENAI = "https://api.openai.com/v1"
_SCHEMA = "codex-schema.json"
_LONGEST_ARGUMENT = 100_000
_NAMES = ("AGENTS.md", "CLAUDE.md", "GEMINI.md")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Freedom:
    """What it may do. It cannot ask while it works, so this is settled before."""

    edit: bool = True
    run: bool = True
    fetch: bool = True


async def freedom_of(spec: AgentSpec, brief: Brief, place: Place) -> tuple[Freedom, str]:
    """What it may do, and what to tell about it.

    A rule that decides by the command cannot be kept by a program that does not ask: where there
    is one, commands are switched off as a whole.
    """
    rule = spec.permissions
    if brief.schema is not None:
        return Freedom(edit=False, run=False, fetch=False), ""
    denied = {pattern.partition(":")[0] for pattern in rule.deny}
    free = rule.mode in {"auto", "allow"}

    async def may(action: Action) -> bool:
        if denied & {action.kind, "*"}:
            return False
        if free:
            return True
        return place.approve is not None and (await place.approve(action)).word == "allow"

    edit = await may(Action("edit", place.path, "edits without asking"))
    run = await may(Action("run", "*", "commands without asking"))
    fetch = await may(Action("fetch", "*", "the network without asking"))
    # Inside of our sandbox its own does not start, and nothing else could hold its commands.
    run = run and (not place.confined or (edit and fetch))
    names = (("edits", edit), ("commands", run), ("the network", fetch))
    off = [name for name, on in names if not on]
    kept = f"Codex cannot ask while it works, so it has to do without: {', '.join(off)}"
    return Freedom(edit, run, fetch), kept if off else ""


@dataclass(frozen=True, slots=True)
class Launch:
    """How each of an attempt's runs is started."""

    command: Command
    """Without `Command.stdin`; its argv is the program alone."""
    options: tuple[str, ...]
    prelude: str = ""
    """To be said before the task: what the configuration has no room for."""
    pictures: tuple[str, ...] = ()
    """Files to be shown with the first turn."""

    def turn(self, words: str, session: str) -> Command:
        """One turn of a conversation; without a session a new one begins."""
        # With `=`: an option that takes several values would swallow what follows.
        shown = (f"--image={path}" for path in self.pictures)
        where = ("resume", *self.options, session) if session else (*self.options, *shown)
        argv = (*self.command.argv, "exec", *where, "-")
        return replace(self.command, argv=argv, stdin=words.encode("utf-8", "replace"))


def user_folder(around: Surroundings) -> str:
    """The user's own configuration folder of the program."""
    home = around.environ.get("HOME") or os.path.expanduser("~")
    return around.environ.get("CODEX_HOME") or os.path.join(home, ".codex")


def key_of(settings: CodingSettings, around: Surroundings) -> str:
    """The name of the variable with its key; empty when there is none.

    Another service has a key of its own, which `env` names.
    """
    named = tuple(name for name in settings.env if "KEY" in name or "TOKEN" in name)
    names = (*named, *KEYS) if settings.base_url else (*KEYS, *named)
    return next(iter(around.given(names)), "")


def prepare(
    settings: CodingSettings, brief: Brief, place: Place, around: Surroundings, freedom: Freedom
) -> Launch:
    """Makes the home and says what to start there. Blocks: for a thread.

    Raises:
        OSError: The home cannot be written.
    """
    make_home(place)
    own = settings.login == "own"
    options = ["--json", "--skip-git-repo-check"]
    if brief.schema is not None:
        file = os.path.join(place.home, _SCHEMA)
        options += ["--output-schema", write_private(file, json.dumps(brief.schema))]
    given = _configuration(settings, brief, place, around, freedom)
    prelude = ""
    home = user_folder(around)
    if own:
        home = os.path.join(place.home, "codex")
        os.makedirs(home, exist_ok=True)
        write_private(os.path.join(home, "config.toml"), toml(given))
    if not own or place.trusted:
        # What a trusted project configures is stronger than the file, but not than arguments.
        if len(str(given.get("developer_instructions", ""))) > _LONGEST_ARGUMENT:
            prelude = str(given.pop("developer_instructions"))
        options += [word for pair in overrides(given) for word in ("-c", pair)]
    return Launch(
        Command(
            argv=(settings.program,),
            cwd=place.folder,
            env=_environment(settings, brief, place, around) | {"CODEX_HOME": home},
            keep=64 * 1024,
            fence=_fence(settings, place, home),
        ),
        (*options, *settings.args),
        prelude,
        tuple(picture.path for picture in brief.pictures),
    )


def _configuration(
    settings: CodingSettings, brief: Brief, place: Place, around: Surroundings, freedom: Freedom
) -> dict[str, Json]:
    judging = brief.schema is not None
    key = key_of(settings, around)
    trust = "trusted" if place.trusted else "untrusted"
    roots = dict.fromkeys(
        path for top in (place.path, place.folder) for path in (top, os.path.realpath(top))
    )
    given: dict[str, Json] = {
        "approval_policy": "never",
        "sandbox_mode": _sandbox(place, freedom, judging=judging),
        "sandbox_workspace_write": {
            "network_access": freedom.fetch,
            "writable_roots": [place.path, place.home],
            "exclude_slash_tmp": True,
        },
        # Its hooks, servers and settings count only in folders that are trusted.
        "projects": {path: {"trust_level": trust} for path in roots},
        "project_doc_fallback_filenames": list(_NAMES[1:]),
        # A login shell would replace the PATH that we give it.
        "allow_login_shell": False,
        "shell_environment_policy": {"inherit": "all", "exclude": [*KEYS, *_secrets(key), TOKEN]},
        "check_for_update_on_startup": False,
        "history": {"persistence": "none"},
        "analytics": {"enabled": False},
        "feedback": {"enabled": False},
        # The team is ours: an agent that hires others would multiply what it spends.
        "agents": {"enabled": False},
        "features": {"goals": False, "shell_tool": freedom.run and not judging},
    }
    if settings.model:
        given["model"] = settings.model
    if settings.base_url or judging or not freedom.fetch:
        given["web_search"] = "disabled"
    if not _reads_by_itself(place) or judging:
        given["project_doc_max_bytes"] = 0
    access = None if judging else place.access
    if system := _system(brief, place, access):
        given["developer_instructions"] = system
    if access is not None:
        given["mcp_servers"] = {access.name: _server(access)}
    given |= _service(settings, around, key)
    return given


def _sandbox(place: Place, freedom: Freedom, *, judging: bool) -> str:
    if judging or not freedom.edit:
        return "read-only"
    # Its own sandbox does not start inside of ours: every edit and command would fail.
    return "danger-full-access" if place.confined else "workspace-write"


def _reads_by_itself(place: Place) -> bool:
    """Whether it reads the repository's AGENTS.md itself.

    It would follow a link to any file of the user's, and a stranger's repository may have one.
    """
    return place.trusted and place.instructions


def _system(brief: Brief, place: Place, access: Access | None) -> str:
    told = ""
    if brief.schema is None and not _reads_by_itself(place):
        told = instructions(place, _NAMES)
    tools = ""
    if access is not None and access.tools:
        tools = (
            f"The MCP server `{access.name}` has the tools {', '.join(access.tools)}. Where you do "
            "not see them, `tool_search` finds them by these names."
        )
    return "\n\n".join(part for part in (brief.system.strip(), told, tools) if part)


def _server(access: Access) -> Json:
    return {
        "url": access.url,
        "bearer_token_env_var": TOKEN,
        "default_tools_approval_mode": "approve",
        "startup_timeout_sec": 20,
    }


def _service(settings: CodingSettings, around: Surroundings, key: str) -> dict[str, Json]:
    """Where its model is. Its built-in provider asks again for minutes, so we name our own."""
    base = settings.base_url
    if settings.login == "user" and not base:
        return {}
    if not base and key in KEYS:
        # A key for a gateway must not be sent to somebody else.
        base = around.environ.get("OPENAI_BASE_URL", "")
    provider: dict[str, Json] = {
        "name": "OpenAI" if not base else "massgen",
        "base_url": base or _OPENAI,
        "wire_api": "responses",
        "request_max_retries": RETRIES,
        "stream_max_retries": RETRIES,
        "stream_idle_timeout_ms": int(min(settings.idle_timeout, 300.0) * 1000),
    }
    if key:
        provider["env_key"] = key
    elif settings.login == "user":
        provider["requires_openai_auth"] = True
    return {"model_provider": _PROVIDER, "model_providers": {_PROVIDER: provider}}


def _environment(
    settings: CodingSettings, brief: Brief, place: Place, around: Surroundings
) -> dict[str, str]:
    key = key_of(settings, around)
    keys = _secrets(key) if settings.login == "own" or settings.base_url else ()
    env = around.env(place, brief.seat, (*NETWORK, *keys, *settings.env))
    env["NO_COLOR"] = "1"
    if place.access is not None and brief.schema is None:
        env[TOKEN] = place.access.token
    return env


def _secrets(key: str) -> tuple[str, ...]:
    return (key,) if key else ()


def _fence(settings: CodingSettings, place: Place, home: str) -> Fence | None:
    if place.fence is None or settings.login == "own":
        return place.fence
    return replace(place.fence, writable=(*place.fence.writable, home))


# ── TOML ────────────────────────────────────────────────────────────────────────────────────────


def toml(given: Mapping[str, Json]) -> str:
    """A configuration as a file: a line for each key, tables inline."""
    return "".join(f"{_key(name)} = {value_of(value)}\n" for name, value in given.items())


def overrides(given: Mapping[str, Json], prefix: str = "") -> list[str]:
    """A configuration as ``key=value`` for ``-c``: what the user has beside it stays."""
    pairs: list[str] = []
    for name, value in given.items():
        if isinstance(value, dict) and all(_PLAIN_KEY.fullmatch(key) for key in value):
            pairs += overrides(value, f"{prefix}{name}.")
        else:
            pairs.append(f"{prefix}{name}={value_of(value)}")
    return pairs


def value_of(value: Json) -> str:
    """A value of TOML, on one line; there is no null in it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case dict():
            return "{" + ", ".join(f"{_key(k)} = {value_of(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(value_of(item) for item in value) + "]"
        case _:
            # The strings of JSON are strings of TOML, but for surrogates and one control character.
            text = str(value).encode("utf-8", "replace").decode()
            return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) else value_of(name)
