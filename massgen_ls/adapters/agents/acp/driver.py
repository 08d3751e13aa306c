"""Any agent that speaks the Agent Client Protocol, version 1.

The ``backend`` block of such an agent::

    type: acp
    agent: goose             # a row of `rows.toml`; or
    argv: [my-agent, --acp]  # any program
    args: []                 # more arguments
    model: ""                # over the protocol, where the agent lets it be chosen
    mode: ""                 # one of the agent's own modes
    options: {}              # its own options, by id
    auth: ""                 # the way to log in, by its id, when the agent asks for one
    env: []                  # names of further variables of ours that it gets
    base_url: ""             # another service, for rows that know how
    login: own               # or user: the user's own home and login
    share: true              # seats may share a process where no sandbox is in force
    timeout: null            # seconds
    idle_timeout: 900        # seconds of silence
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from massgen_ls.adapters.agents.acp.connection import Connection, connect
from massgen_ls.adapters.agents.acp.order import Launch
from massgen_ls.adapters.agents.acp.pool import AcpPool
from massgen_ls.adapters.agents.acp.rows import Row, row
from massgen_ls.adapters.agents.acp.session import Session
from massgen_ls.adapters.agents.attempt.failing import Advice
from massgen_ls.adapters.agents.attempt.frame import Frame, prepared
from massgen_ls.adapters.agents.attempt.instructions import instructions
from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.program.installed import version_of
from massgen_ls.adapters.agents.program.surroundings import NETWORK, Surroundings
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import AgentSpec
from massgen_ls.ports import AgentNews, Brief, Command, Ended, Health, Place, Processes


@dataclass(frozen=True, slots=True)
class AcpSettings:
    """What only ACP agents are configured with."""

    agent: str
    argv: tuple[str, ...]
    mode: str
    auth: str
    share: bool

    @classmethod
    def of(cls, spec: AgentSpec) -> AcpSettings:
        """Reads the ``backend`` block, which the configuration has validated already."""
        given = spec.settings
        argv = given.get("argv")
        return cls(
            agent=str(given.get("agent") or ""),
            argv=tuple(map(str, argv)) if isinstance(argv, list) else (),
            mode=str(given.get("mode") or ""),
            auth=str(given.get("auth") or ""),
            share=given.get("share") is not False,
        )


class Acp:
    """Runs one attempt with an ACP agent, in a process of its own or in a shared one.

    Args:
        processes: Starts the programs.
        surroundings: Our own side, of which an agent sees only what is allowed.
        pool: Shares processes among seats; None: each has its own.
    """

    def __init__(
        self, processes: Processes, surroundings: Surroundings, pool: AcpPool | None
    ) -> None:
        self._processes = processes
        self._around = surroundings
        self._pool = pool

    async def attempt(self, launch: Launch, frame: Frame) -> AsyncGenerator[AgentNews]:
        """The news of one attempt; its `Ended` comes when the agent has let go of the worktree.

        Raises what `Frame.kept` expects.
        """
        brief, place = frame.brief, frame.place
        told = await prepared(place, instructions, place, launch.instructions)
        last: Ended | None = None
        async with self._connection(launch, brief, place) as connection:
            session = Session(connection, launch, frame, told)
            try:
                async with contextlib.aclosing(session.news()) as news:
                    async for item in news:
                        if isinstance(item, Ended):
                            last = item
                        else:
                            yield item
            finally:
                if session.stubborn and self._pool is not None:
                    self._pool.condemn(connection)
        assert last is not None, "a session has an end"
        yield last

    @contextlib.asynccontextmanager
    async def _connection(
        self, launch: Launch, brief: Brief, place: Place
    ) -> AsyncGenerator[Connection]:
        pool = self._pool
        if pool is not None and launch.share and not place.confined:

            async def prepare(home: str) -> Command:
                return await asyncio.to_thread(
                    launch.shared_command, self._around, brief, place, home
                )

            async with pool.seat(f"{place.run} {launch.key}", prepare) as connection:
                yield connection
            return
        command = await prepared(place, launch.command, self._around, brief, place)
        async with connect(self._processes, command, up=place.up) as connection:
            yield connection


class AcpDriver:
    """Runs any ACP agent; implements `ports.Driver`. See `Acp` for its arguments."""

    briefed = True
    hears = True
    heavy = True

    def __init__(
        self, processes: Processes, surroundings: Surroundings, pool: AcpPool | None = None
    ) -> None:
        self._around = surroundings
        self._acp = Acp(processes, surroundings, pool)

    async def attempt(
        self, spec: AgentSpec, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews]:
        """Runs the agent once. Closing the iterator ends it and all its processes."""
        known = self._row(spec)
        if isinstance(known, str):
            yield Ended("failed", f"{known}. Correct the agent {spec.id!r}.", failure="config")
            return
        settings = CodingSettings.of(spec, known.argv[0])
        if problem := unkept(known, settings):
            yield Ended("failed", f"{problem} Correct the agent {spec.id!r}.", failure="config")
            return
        launch = self._launch(spec, known, settings, place)
        frame = Frame(settings.program, _install(known), launch.advice, settings, brief, place)
        async with contextlib.aclosing(frame.kept(self._acp.attempt(launch, frame))) as news:
            async for item in news:
                yield item

    async def health(self, spec: AgentSpec) -> Health:
        """Looks for the program, its version and its keys; asks nobody."""
        known = self._row(spec)
        if isinstance(known, str):
            return Health(spec.id, ok=False, found="nothing to run", hint=f"{known}.")
        settings = CodingSettings.of(spec, known.argv[0])
        return await asyncio.to_thread(health, self._around, spec, known, settings)

    @staticmethod
    def _row(spec: AgentSpec) -> Row | str:
        given = AcpSettings.of(spec)
        if given.argv:
            known = row(given.agent) if given.agent else None
            if isinstance(known, Row):
                return replace(known, argv=given.argv)
            name = os.path.basename(given.argv[0])
            return Row("", name, given.argv)
        if not given.agent:
            return "`agent` or `argv` is needed for an ACP agent"
        return row(given.agent)

    def _launch(
        self, spec: AgentSpec, known: Row, settings: CodingSettings, place: Place
    ) -> Launch:
        given = AcpSettings.of(spec)
        env = dict(known.env)
        home = ""
        writable: tuple[str, ...] = ()
        if settings.login == "user":
            home = self._around.environ.get("HOME", "")
            writable = tuple(os.path.join(home, folder) for folder in known.folders)
            # Its settings and login are where it looks for them by itself.
            env = {name: value for name, value in env.items() if "{home}" not in value}
        if settings.base_url and known.base_url:
            env[known.base_url] = settings.base_url
        options = spec.settings.get("options")
        untrusted = not place.trusted
        warning = ""
        if untrusted and known.untrusted == "loads":
            warning = (
                f"{known.name} may load the project's own settings of it (servers, hooks): "
                "there is no way to tell it not to"
            )
        no_tools = ""
        if untrusted and not known.untrusted_tools:
            no_tools = (
                f"{known.name} connects to no MCP server in a worktree that is not trusted: "
                "it works without massgen's tools"
            )
        # A mode in which it asks for nothing is for those who restrict nothing.
        rule = spec.permissions
        free = _free(rule)
        if limit := unruled(known, spec):
            warning = f"{warning}; {limit}" if warning else limit
        if place.trusted:
            env.pop("GEMINI_CLI_TRUST_WORKSPACE", None)
        return Launch(
            name=known.name,
            argv=(settings.program, *known.argv[1:], *settings.args),
            advice=Advice(login=known.login),
            keys=(*known.keys, *settings.env, *NETWORK),
            env=env,
            files={} if home else known.files,
            writable=writable,
            home=home,
            auth=(given.auth,) if given.auth else known.auth,
            meta=known.untrusted_meta if untrusted else {},
            model=settings.model,
            mode=given.mode or (known.mode_confined if free and place.confined else known.mode),
            options=options if isinstance(options, dict) else {},
            no_tools=no_tools,
            instructions=known.instructions if untrusted else (),
            warning=warning,
            share=given.share,
        )


def unkept(known: Row, settings: CodingSettings) -> str:
    """Which setting a row's program cannot be given, as a sentence; empty: none."""
    if settings.base_url and not known.base_url:
        return (
            f"`base_url` cannot be kept: nothing is known that leads {known.name} to another "
            "service, and it would go to its usual one."
        )
    return ""


def _free(rule: Permissions) -> bool:
    """Whether a rule restricts nothing that a sandbox does not."""
    return rule.mode in {"auto", "allow"} and not rule.deny


def unruled(known: Row, spec: AgentSpec) -> str:
    """Which part of an agent's permissions cannot be kept, for people; empty: none."""
    if not known.unasked or _free(spec.permissions):
        return ""
    return (
        f"{known.name} {known.unasked}: its `permissions` are asked for what it would do outside "
        "of that, and for edits"
    )


def health(around: Surroundings, spec: AgentSpec, known: Row, settings: CodingSettings) -> Health:
    """Whether a row's program could start. Reads the disk: for a thread."""
    path = around.find(settings.program)
    if path is None:
        found = f"{settings.program} not found"
        return Health(spec.id, ok=False, found=found, hint=_install(known))
    if problem := unkept(known, settings):
        return Health(spec.id, ok=False, found=path, hint=problem, version=version_of(path))
    keys = around.given(known.keys)
    limit = unruled(known, spec)
    found = f"{path}; {', '.join(keys)} set" if keys else path
    hint = f"{limit}." if limit else ""
    sure = bool(keys) or not known.keys or settings.login == "user"
    if not sure:
        hint = f"No key of it is set: {known.login}."
    return Health(spec.id, ok=True, found=found, hint=hint, version=version_of(path), sure=sure)


def _install(known: Row) -> str:
    return f"Install it: {known.install}." if known.install else "Correct `argv`."
