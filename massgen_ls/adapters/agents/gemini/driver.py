"""Gemini CLI, over ACP; and over its stream-json where it is too old for that or it is configured.

The ``backend`` block of such an agent::

    type: gemini_cli
    program: gemini
    args: []
    model: ""                # gemini-2.5-pro, …; empty: as the program chooses
    protocol: acp            # or stream-json
    env: []                  # names of further variables of ours that it gets
    base_url: ""             # another service that speaks its API
    login: own               # or user: the user's own ~/.gemini with its login
    share: true              # seats may share a process where no sandbox is in force
    max_turns: null
    timeout: null            # seconds
    idle_timeout: 900        # seconds of silence

A worktree that is not trusted is told so to the program (``GEMINI_CLI_TRUST_WORKSPACE=false``, the
one switch that nothing in the project can turn): it then loads none of the project's settings,
hooks, MCP servers, policies, commands, skills, agents or ``.gemini/.env``; a plain ``.env``, from
which it would still take keys, is switched off by our own settings. It also refuses every MCP
server then, ours too, and does not read GEMINI.md, which we tell it instead.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from massgen_ls.adapters.agents.acp.driver import Acp
from massgen_ls.adapters.agents.acp.order import Launch
from massgen_ls.adapters.agents.acp.pool import AcpPool
from massgen_ls.adapters.agents.attempt.coding import CodingDriver, Login, Program
from massgen_ls.adapters.agents.attempt.failing import Advice
from massgen_ls.adapters.agents.attempt.frame import Frame
from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.gemini.stream import GeminiStream
from massgen_ls.adapters.agents.program.surroundings import NETWORK, Surroundings
from massgen_ls.core.task import AgentSpec
from massgen_ls.ports import AgentNews, Ended, Place, Processes

PROGRAM = "gemini"
KEYS = (
    "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION", "GOOGLE_APPLICATION_CREDENTIALS",
)  # fmt: skip
_INSTALL = "Install it with `npm install -g @google/gemini-cli`, or correct `program`."
_ADVICE = Advice(
    login="set GEMINI_API_KEY (or GOOGLE_GENAI_USE_VERTEXAI with GOOGLE_CLOUD_PROJECT and "
    "GOOGLE_CLOUD_LOCATION), or log in with `gemini` and use `login: user`",
    user="run `gemini` once and log in, or set GEMINI_API_KEY and take `login: user` out of the "
    "configuration",
)
_ATTEMPTS = 2
"""Requests to its service for one answer; the seat tries again by itself."""
_WORDS = ("GEMINI.md", "AGENTS.md", "CLAUDE.md")
_SETTLE = 0.3
"""It answers that a conversation is taken up before it has told it again (0.61.0)."""
_LONG_AGO = "2000-01-01T00-00"
_NO_TOOLS = (
    "Gemini CLI connects to no MCP server in a worktree that is not trusted: it works without "
    "massgen's tools"
)


class GeminiDriver(CodingDriver):
    """Runs Gemini CLI.

    Args:
        processes: Starts the program.
        around: Our own side, of which it sees only what is allowed.
        pool: Shares processes among seats; None: each has its own.
    """

    def __init__(
        self, processes: Processes, around: Surroundings, pool: AcpPool | None = None
    ) -> None:
        super().__init__(Program(PROGRAM, _INSTALL, _ADVICE), processes, around)
        self._acp = Acp(processes, around, pool)
        self._stream = GeminiStream(processes, around)

    def news(self, spec: AgentSpec, frame: Frame) -> AsyncGenerator[AgentNews]:
        """What comes of an attempt; see `CodingDriver.news`."""
        launch = self._launch(spec, frame.settings, frame.place)
        if spec.settings.get("protocol") == "stream-json":
            return self._stream.attempt(launch, frame)
        return self._over_acp(launch, frame)

    async def _over_acp(self, launch: Launch, frame: Frame) -> AsyncGenerator[AgentNews]:
        async with contextlib.aclosing(self._acp.attempt(launch, frame)) as news:
            async for item in news:
                if isinstance(item, Ended) and too_old(item):
                    break
                yield item
            else:
                return
        async with contextlib.aclosing(self._stream.attempt(launch, frame)) as news:
            async for item in news:
                yield item

    def _launch(self, spec: AgentSpec, settings: CodingSettings, place: Place) -> Launch:
        users = settings.login == "user"
        trusted = trusts(place)
        home = self._around.environ.get("HOME", "") if users else ""
        env = {
            "GEMINI_CLI_HOME": home or "{home}",
            "GEMINI_CLI_NO_RELAUNCH": "true",
            "GEMINI_CLI_TRUST_WORKSPACE": "true" if trusted else "false",
            "NO_BROWSER": "true",  # a login page that opens by itself helps nobody here
        }
        if settings.base_url:
            env["GOOGLE_GEMINI_BASE_URL"] = settings.base_url
        body = json.dumps(self._settings(settings, place), indent=1)
        return Launch(
            name="Gemini CLI",
            argv=(settings.program, "--acp", *settings.args),
            advice=_ADVICE,
            keys=(*KEYS, *settings.env, *NETWORK),
            env=env,
            files={} if users else {os.path.join(".gemini", "settings.json"): body},
            writable=(os.path.join(home, ".gemini"),) if home else (),
            home=home,
            model=settings.model,
            no_tools="" if trusted else _NO_TOOLS,
            instructions=() if trusted else _WORDS,
            share=spec.settings.get("share") is not False,
            denied=frozenset(pattern.partition(":")[0] for pattern in spec.permissions.deny),
            settle=_SETTLE,
            before_load=put_aside,
        )

    def _settings(self, settings: CodingSettings, place: Place) -> dict[str, Any]:
        """Its settings file."""
        kept: dict[str, Any] = {
            "security": {
                "auth": {"selectedType": self._login()},
                "folderTrust": {"enabled": True},
            },
            "general": {
                "maxAttempts": _ATTEMPTS,
                "enableAutoUpdate": False,
                "enableAutoUpdateNotification": False,
            },
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            # A `.env` of the project would set keys even where it is not trusted.
            "advanced": {"ignoreLocalEnv": not trusts(place)},
        }
        if settings.max_turns:
            kept["model"] = {"maxSessionTurns": settings.max_turns}
        return kept

    def _login(self) -> str:
        """Which of its ways to log in there is something for."""
        given = self._around.given(KEYS)
        if "GEMINI_API_KEY" in given:
            return "gemini-api-key"
        if given.get("GOOGLE_GENAI_USE_VERTEXAI", "").lower() in {"1", "true"}:
            return "vertex-ai"
        if {"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"} <= given.keys():
            return "vertex-ai"
        return "vertex-ai" if "GOOGLE_API_KEY" in given else "gemini-api-key"

    def login(self, settings: CodingSettings) -> Login:
        """Looks for a login, or for keys; see `CodingDriver.login`."""
        if settings.login == "user":
            home = self._around.environ.get("HOME", "")
            if os.path.exists(os.path.join(home, ".gemini", "oauth_creds.json")):
                return Login(seen="logged in in ~/.gemini")
            hint = f"No login is seen: {_ADVICE.user}."
            return Login(hint=hint, seen="no login found in ~/.gemini", sure=False)
        keys = self._around.given((*KEYS, *settings.env))
        if not keys:
            return Login(ok=False, hint=f"No key of it is set: {_ADVICE.login}.")
        return Login(seen=f"{', '.join(keys)} set")


def trusts(place: Place) -> bool:
    """Whether the program is told that it may trust the worktree."""
    return place.trusted and place.instructions


def put_aside(env: Mapping[str, str], session: str) -> None:
    """Saves a recorded conversation from being overwritten while it is taken up.

    The program names the record by the minute and the first part of the id, and begins a new one
    before it looks for the old: in the same minute it writes over it (measured with 0.61.0).
    Reads and renames files.
    """
    head = session[:8]
    if not head.isalnum():
        return
    pattern = os.path.join(
        glob.escape(env["GEMINI_CLI_HOME"]),
        ".gemini",
        "tmp",
        "*",
        "chats",
        f"session-*-{head}.jsonl",
    )
    for path in glob.glob(pattern):
        aside = os.path.join(os.path.dirname(path), f"session-{_LONG_AGO}-{head}.jsonl")
        if path != aside and not os.path.lexists(aside):
            with contextlib.suppress(OSError):
                os.rename(path, aside)


def too_old(ended: Ended) -> bool:
    """Whether the program does not know ``--acp``."""
    words = ended.reason.lower()
    return ended.outcome == "failed" and "unknown argument" in words and "acp" in words
