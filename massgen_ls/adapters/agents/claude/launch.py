"""How Claude Code is started: its arguments, its environment, and its files in the agent's home.

The ``backend`` block of such an agent::

    type: claude_code
    model: sonnet            # as `claude --model` takes it; its own default otherwise
    program: claude          # a name on PATH, or a path
    args: [--effort, high]   # further arguments of `claude`, after ours
    base_url: https://…      # another address of the API: a gateway, a proxy
    env: [AWS_PROFILE]       # names of further variables that it gets
    login: own               # or user: your own `claude` login and settings
    max_turns: 60            # API requests until it is stopped
    timeout: 1200            # seconds for the whole attempt
    idle_timeout: 900        # seconds of silence after which it is taken for stuck

Nothing of any length and nothing secret is an argument: the task comes on stdin, the system message
and the MCP servers in files that nobody else may read, the key in the environment.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import sys
from dataclasses import replace

from massgen_ls.adapters.agents.attempt.instructions import instructions
from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.claude.tools import ASKED, TOOLS
from massgen_ls.adapters.agents.program.surroundings import (
    NETWORK,
    Surroundings,
    make_home,
    write_private,
)
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import Access, Brief, Command, Fence, Place

PROGRAM = "claude"
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
"""Any one of them lets it in."""
CLOUDS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""They lead it to another provider, with keys of that one's."""
WAYS = (
    "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL",
)  # fmt: skip
"""What goes with a key: without it a gateway's token would be sent to somebody else."""
RETRIES = 2
"""How often it asks its service again by itself; the seat goes on from there, and says so."""
_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    # A command in the background keeps it alive after its result, and nobody waits for it.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_CRON": "1",
    # What it remembers and backs up would go into a home that ends with the run.
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_FILE_CHECKPOINTING": "1",
    "CLAUDE_CODE_MAX_RETRIES": str(RETRIES),
    # Our tools are few: they shall be there from the start, without a search for them.
    "ENABLE_TOOL_SEARCH": "false",
    "NO_COLOR": "1",
}
_NAMES = ("CLAUDE.md", ".claude/CLAUDE.md", "AGENTS.md")


def free(spec: AgentSpec, place: Place, settings: CodingSettings) -> bool:
    """Whether it need not ask: a sandbox confines it, and the rule would allow everything anyway.

    Never with the user's own login: what it may write then is read by the user's own programs.
    """
    rule = spec.permissions
    return (
        place.confined
        and settings.login == "own"
        and rule.mode in {"auto", "allow"}
        and not rule.allow
        and not rule.deny
    )


def user_folder(around: Surroundings) -> str:
    """The user's own configuration folder of the program."""
    home = around.environ.get("HOME") or os.path.expanduser("~")
    return around.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")


def launch(
    spec: AgentSpec, settings: CodingSettings, brief: Brief, place: Place, around: Surroundings
) -> Command:
    """Makes the home and says what to start there, with what `going_on` gives. For a thread.

    Raises:
        OSError: The home cannot be written.
    """
    make_home(place)
    return Command(
        argv=(settings.program, *_arguments(spec, settings, brief, place, around), *settings.args),
        cwd=place.folder,
        env=_environment(spec, settings, brief, place, around),
        keep_stdin=True,
        keep=64 * 1024,
        fence=_fence(settings, place, around),
    )


def going_on(brief: Brief, settings: CodingSettings, place: Place, around: Surroundings) -> Brief:
    """The order as it is for what there is: with the conversation to go on from, or without it.

    Blocks: for a thread.

    Raises:
        OSError: The home cannot be written.
    """
    if not brief.origin or brief.session:
        return replace(brief, origin="")
    if brief.past and settings.login == "own" and _is_id(brief.origin):
        # It looks for it in all projects: in which it is does not matter (2.1.329).
        folder = os.path.join(_folder(settings, place, around), "projects", "massgen")
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # it is there from an earlier try
            os.replace(brief.past, os.path.join(folder, f"{brief.origin}.jsonl"))
    there = written_down(brief.origin, settings, place, around)
    if not there:
        return replace(brief, origin="")
    return replace(brief, prompt=brief.onward or brief.prompt)


def written_down(session: str, settings: CodingSettings, place: Place, around: Surroundings) -> str:
    """The file that holds a conversation; empty: there is none. Reads the disk."""
    projects = os.path.join(glob.escape(_folder(settings, place, around)), "projects")
    pattern = os.path.join(projects, "*", f"{session}.jsonl")
    return next(iter(glob.glob(pattern)), "") if _is_id(session) else ""


def _is_id(session: str) -> bool:
    return session.replace("-", "").isalnum()


def _folder(settings: CodingSettings, place: Place, around: Surroundings) -> str:
    """The configuration folder that it works with."""
    return os.path.join(place.home, "claude") if settings.login == "own" else user_folder(around)


def _arguments(
    spec: AgentSpec, settings: CodingSettings, brief: Brief, place: Place, around: Surroundings
) -> list[str]:
    given = ["-p", "--input-format", "stream-json", "--output-format", "stream-json"]
    given += ["--verbose", "--include-partial-messages", "--strict-mcp-config"]
    given += ["--disable-slash-commands", "--setting-sources", _sources(settings, place)]
    if settings.model:
        given += ["--model", settings.model]
    if settings.max_turns is not None:
        given += ["--max-turns", str(settings.max_turns)]
    if brief.session:
        given += ["--resume", brief.session]
    elif brief.origin:
        # A copy: what it was before stays, and others may go on from there too.
        given += ["--resume", brief.origin, "--fork-session"]
    if system := _system(brief, place):
        file = os.path.join(place.home, "claude-system.md")
        given += ["--append-system-prompt-file", write_private(file, system)]
    if brief.schema is not None:
        given += ["--tools", "", "--json-schema", json.dumps(brief.schema)]
    else:
        given += ["--tools", ",".join(TOOLS)]
        if place.access is not None:
            file = os.path.join(place.home, "claude-mcp.json")
            given += ["--mcp-config", write_private(file, json.dumps(_servers(place.access)))]
    if free(spec, place, settings):
        given.append("--dangerously-skip-permissions")
    else:
        file = os.path.join(place.home, "claude-settings.json")
        rules = json.dumps(_rules(place.access))
        given += ["--permission-prompt-tool", "stdio", "--settings", write_private(file, rules)]
    return given


def _sources(settings: CodingSettings, place: Place) -> str:
    """Whose settings files it reads: hooks in them are programs that it runs."""
    user = ["user"] if settings.login == "user" else []
    return ",".join([*user, *(["project", "local"] if place.trusted else [])])


def _system(brief: Brief, place: Place) -> str:
    # With the project's settings come its CLAUDE.md and AGENTS.md; else it reads neither.
    told = "" if place.trusted or brief.schema is not None else instructions(place, _NAMES)
    return "\n\n".join(part for part in (brief.system.strip(), told) if part)


def _servers(access: Access) -> Json:
    server: Json = {
        "type": "http",
        "url": access.url,
        "headers": {"Authorization": f"Bearer {access.token}"},
        "alwaysLoad": True,
    }
    return {"mcpServers": {access.name: server}}


def _rules(access: Access | None) -> Json:
    ours: list[Json] = [f"mcp__{access.name}"] if access is not None else []
    return {"permissions": {"defaultMode": "default", "ask": list(ASKED), "allow": ours}}


def _environment(
    spec: AgentSpec, settings: CodingSettings, brief: Brief, place: Place, around: Surroundings
) -> dict[str, str]:
    names = (*NETWORK, *settings.env)
    if settings.login == "own":
        names = (*KEYS, *WAYS, *names)
    env = around.env(place, brief.seat, names) | _QUIET | around.given(settings.env)
    if settings.login == "own":
        env["CLAUDE_CONFIG_DIR"] = _folder(settings, place, around)
    elif sys.platform == "darwin" and "CLAUDE_CONFIG_DIR" not in around.environ:
        # The login is in the keychain there, under a name that depends on this variable's absence.
        env["HOME"] = around.environ.get("HOME") or os.path.expanduser("~")
    else:
        env["CLAUDE_CONFIG_DIR"] = _folder(settings, place, around)
    if settings.base_url:
        env["ANTHROPIC_BASE_URL"] = settings.base_url
    if place.trusted and not place.instructions:
        env["CLAUDE_CODE_DISABLE_CLAUDE_MDS"] = "1"
    if free(spec, place, settings) and os.geteuid() == 0:
        # It refuses to work unasked as root, unless told that a sandbox confines it: one does.
        env["IS_SANDBOX"] = "1"
    return env


def _fence(settings: CodingSettings, place: Place, around: Surroundings) -> Fence | None:
    if place.fence is None or settings.login == "own":
        return place.fence
    return replace(place.fence, writable=(*place.fence.writable, user_folder(around)))
