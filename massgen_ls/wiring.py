"""The composition root: the one place where adapters meet the engine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_ls.adapters.agents.roster import open_drivers
from massgen_ls.adapters.checks.command import CommandChecker
from massgen_ls.adapters.checks.detect import detect
from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.adapters.host.clock import SystemClock, TimeIds
from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.adapters.host.journal import Journal, alive, owner_of
from massgen_ls.adapters.host.ledger import Ledger, MendedSnapshots
from massgen_ls.adapters.host.places import Places
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.host.programs import absolute
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.adapters.host.survivors import MARKER
from massgen_ls.adapters.host.trusting import Gate, TrustStore, claim
from massgen_ls.adapters.languages.trees import TreeSitter
from massgen_ls.adapters.mcp import LoopbackEndpoint
from massgen_ls.adapters.store.attachments import AttachmentFolder
from massgen_ls.adapters.store.conversations import ConversationFolder
from massgen_ls.adapters.store.sqlite import SqliteStore
from massgen_ls.config import Beside, Loaded, load, pick_checks, team
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.secrets import secrets_of
from massgen_ls.core.task import AgentSpec, ApplyMode, CheckSpec, Mode, RunSpec, Scope, Task
from massgen_ls.core.trust import Claim, Giver, Word
from massgen_ls.engine.starts import Starts
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.engine.world import World
from massgen_ls.ports import Approver

if TYPE_CHECKING:
    from massgen_ls.config.layers import Author
    from massgen_ls.config.problems import Problem
    from massgen_ls.config.starter import Around, Choice
    from massgen_ls.lsp.desk import Compose, EditorView, Founded, Team

RECORD = "runs.sqlite3"
JOURNAL = "processes"
EDITS = "edits"
ATTACHMENTS = "attachments"
CONVERSATIONS = "conversations"


def to_stderr(said: str) -> None:
    """What the user did not ask for, in a terminal."""
    sys.stderr.write(f"massgen-ls: {said}\n")


def without_relative_path(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for all that we start: no program is found in the folder worked in."""
    return {**environ, "PATH": absolute(environ.get("PATH", os.defpath))}


@asynccontextmanager
async def open_processes(
    environ: Mapping[str, str], places: Places
) -> AsyncGenerator[HostProcesses]:
    """Starts programs for as long as the context lasts; first ends what dead owners left."""
    journal = await asyncio.to_thread(Journal, places.state / JOURNAL)
    await asyncio.to_thread(journal.reap_dead_owners)
    home = environ.get("HOME", os.path.expanduser("~"))
    sandbox = await asyncio.to_thread(Sandbox.probe, home, environ.get("PATH", os.defpath))
    try:
        yield HostProcesses(journal, sandbox, enclosing=environ.get(MARKER, ""))
    finally:
        journal.close()


@asynccontextmanager
async def open_supervisor(
    environ: Mapping[str, str] | None = None,
    approver: Approver | None = None,
    say: Callable[[str], None] = to_stderr,
) -> AsyncGenerator[Supervisor]:
    """Everything that runs need, put together; leaving the context leaves nothing behind.

    Args:
        environ: Our environment; None: that of this process.
        approver: Who is asked when an agent wants to do what no rule allows or forbids.
        say: Hears what became of edits that a killed process had begun.

    Raises:
        StorageError: Our cache or state folder cannot be used.
    """
    env = without_relative_path(os.environ if environ is None else environ)
    places = Places.of(env)
    clock = SystemClock()
    cores = max(1, os.cpu_count() or 1)
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(open_processes(env, places))
        store = await stack.enter_async_context(SqliteStore(places.state / RECORD, clock))
        git = await stack.enter_async_context(GitRooms(processes, places.cache, env, cores))
        endpoint = await stack.enter_async_context(LoopbackEndpoint())
        ledger = Ledger(places.state / EDITS, owner_of(os.getpid()), say)
        await ledger.mend()
        world = World(
            clock=clock,
            ids=TimeIds(),
            store=store,
            snapshots=MendedSnapshots(git.snapshots, ledger),
            worktrees=git.worktrees,
            objects=git.objects,
            attachments=AttachmentFolder(places.state / ATTACHMENTS, clock),
            conversations=ConversationFolder(places.state / CONVERSATIONS, clock),
            drivers=await stack.enter_async_context(open_drivers(processes, env, sys.executable)),
            checker=CommandChecker(processes, env, sys.executable),
            differ=differ,
            refiner=refiner,
            owner=owner_of(os.getpid()),
            alive=alive,
            cores=cores,
            parse=TreeSitter(),
            starts=Starts(cores),
            confines=processes.confines,
            approver=approver,
            endpoint=endpoint,
            secrets=partial(secrets_of, env),
        )
        yield await stack.enter_async_context(Supervisor(world))


@asynccontextmanager
async def open_rooms(environ: Mapping[str, str] | None = None) -> AsyncGenerator[GitRooms]:
    """The git rooms alone, which do nothing by themselves: what cleaning up needs.

    Raises:
        StorageError: Our cache or state folder cannot be used.
    """
    env = without_relative_path(os.environ if environ is None else environ)
    places = Places.of(env)
    async with (
        open_processes(env, places) as processes,
        GitRooms(processes, places.cache, env, max(1, os.cpu_count() or 1), tidy=False) as rooms,
    ):
        yield rooms


def kept_conversations(environ: Mapping[str, str] | None = None) -> ConversationFolder:
    """What agents have said in earlier runs, to go on from."""
    state = Places.of(os.environ if environ is None else environ).state
    return ConversationFolder(state / CONVERSATIONS, SystemClock())


def disk_files(say: Callable[[str], None] = to_stderr) -> DiskFiles:
    """The user's files on the disk; ``say`` as in `open_supervisor`."""
    state = Places.of(os.environ).state
    return DiskFiles(Ledger(state / EDITS, owner_of(os.getpid()), say))


def trust_gate(environ: Mapping[str, str] | None = None) -> Gate:
    """What says whether a folder is trusted."""
    state = Places.of(os.environ if environ is None else environ).state
    return Gate(TrustStore(state, lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"))


def claim_of(folder: Path, loaded: Loaded) -> Claim:
    """What a folder would do if it were trusted. Reads the disk."""
    return claim(str(folder), loaded.sources, loaded.powers, loaded.settings)


def make_spec(
    folder: Path,
    *,
    prompt: str,
    scope: Scope,
    agents: str | Sequence[str] | None = None,
    checks: Sequence[str] | None = None,
    config: str | None = None,
    beside: Beside | None = None,
    mode: Mode | None = None,
    detected_checks: bool = False,
    apply: ApplyMode = "none",
    word: Word | None = None,
    say: Callable[[str], None] = to_stderr,
) -> RunSpec:
    """A full order out of a wish and the folder's configuration.

    Args:
        folder: The folder that the user opened, absolute.
        prompt: The task in their words.
        scope: What it is about; paths relative to ``folder``.
        agents: Ids of configured agents, comma-separated or in a list, or a file with a team.
        checks: Names of configured checks; None means all of them.
        config: A configuration file instead of the folder's own.
        beside: What counts beside the files; None: the environment alone.
        mode: How the winner is found; None means as configured.
        detected_checks: Also run what the project's files suggest: the user's word for it.
        apply: What happens to the winner.
        word: What somebody says now about trusting the folder.
        say: Where it goes what is worth knowing about the configuration.

    Raises:
        ConfigError: The configuration cannot be used, or names no such agent or check.
        UntrustedError: The folder wants what needs its user's trust.
    """
    if not prompt.strip():
        raise ConfigError("The task is empty", "Say what the team shall do")
    loaded = load(folder, config, beside)
    for warning in loaded.warnings:
        say(warning.shown(loaded.source))
    chosen = pick_checks(loaded, checks)
    if detected_checks:
        chosen += _detected(folder, chosen, say)
    elif not chosen and "checks" not in loaded.merged.body and (found := detect(folder)):
        names = ", ".join(proposal.check.name for proposal in found)
        say(
            f"no check is configured, and this project seems to have {names}: `massgen-ls init`"
            " writes it down, `massgen-ls run --detected-checks` runs it once"
        )
    trusted = trust_gate().admit(claim_of(folder, loaded), word)
    rules = replace(loaded.rules, mode=mode or loaded.rules.mode, trusted=trusted)
    members = team(folder, loaded, agents, beside)
    if agents:  # whoever is named for this run works, in that order
        rules = replace(rules, agents="listed", max_agents=None)
    voters = (*members, *rules.voting.judges)
    if rules.mode == "consensus" and all(agent.type == "command" for agent in voters):
        raise ConfigError(
            "Mode 'consensus' needs agents that can vote, and programs that edit files cannot",
            "Add a coding agent or a judge, or use `mode: best_of_n`: the checks decide",
        )
    return RunSpec(Task(prompt, scope), members, chosen, rules, apply)


def _detected(
    folder: Path, chosen: Sequence[CheckSpec], say: Callable[[str], None]
) -> tuple[CheckSpec, ...]:
    """The checks that the project's files suggest beside the chosen ones."""
    found = [proposal.check for proposal in detect(folder)]
    if not found:
        say("this project's files suggest no checks; name them under `checks`")
    known = {check.argv for check in chosen} | {check.name for check in chosen}
    return tuple(c for c in found if c.argv not in known and c.name not in known)


class ConfiguredDesk:
    """Orders of an editor, with the configuration of the folder. Implements `lsp.desk.Desk`."""

    def __init__(self, config: str | None, profile: str | None = None) -> None:
        self._config = config
        self._profile = profile
        self._told: set[str] = set()

    def _once(self, said: str) -> None:
        """To the log that the editor keeps of us; not again with every run."""
        if said not in self._told:
            self._told.add(said)
            to_stderr(said)

    def make_spec(
        self,
        folder: str,
        prompt: str,
        scope: Scope,
        agents: Sequence[str] | None,
        checks: Sequence[str] | None,
        mode: Mode | None,
        apply: ApplyMode,
        editor: EditorView,
        word: Word | None = None,
    ) -> RunSpec:
        """Chooses agents, checks and rules; blocking. See `lsp.desk.Desk.make_spec`."""
        return make_spec(
            Path(folder),
            prompt=prompt,
            scope=scope,
            agents=agents,
            checks=checks,
            config=self._config,
            beside=self._beside(editor, word),
            mode=mode,
            apply=apply,
            word=word,
            say=self._once,
        )

    def _beside(self, editor: EditorView, word: Word | None = None) -> Beside:
        # An editor that does not say that it trusts a folder may have its settings out of it.
        by: Author = "user" if word in {"editor", "granted"} else "project"

        def read(path: Path) -> str | None:
            return editor.texts.get(str(path))

        return Beside(profile=self._profile, settings=editor.settings, settings_by=by, read=read)

    def problems(self, folder: str, editor: EditorView) -> Sequence[Problem]:
        """What is wrong in the configuration; blocking. See `lsp.desk.Desk.problems`."""
        from massgen_ls.config.checkup import problems_here

        file = None if self._config is None else Path(folder, self._config).absolute()
        return problems_here(Path(folder), file, self._beside(editor))

    def approve(self, claim: Claim, by: Giver) -> None:
        """Remembers that what was shown is trusted; blocking. See `lsp.desk.Desk.approve`."""
        trust_gate().store.approve(claim, by)

    async def look(self, folder: str) -> Around:
        """See `lsp.desk.Desk.look`."""
        from massgen_ls.founding import look_around

        return await look_around(Path(folder), without_relative_path(os.environ))

    def check_place(self, folder: str, *, user: bool, force: bool) -> str:
        """See `lsp.desk.Desk.check_place`."""
        from massgen_ls.founding import target

        return str(target(Path(folder), os.environ, None, user=user, force=force).path)

    async def found(
        self, folder: str, choice: Choice, around: Around, *, user: bool, force: bool, trusts: bool
    ) -> Founded:
        """See `lsp.desk.Desk.found`."""
        from massgen_ls import founding
        from massgen_ls.config.starter_text import text_of
        from massgen_ls.health import checks_health, team_health
        from massgen_ls.lsp.desk import Founded

        where, text = Path(folder), text_of(choice, around, user=user)

        def write() -> tuple[founding.Target, founding.Trusted | None]:
            chosen = founding.target(where, os.environ, None, user=user, force=force)
            gate = trust_gate()
            before = founding.look_before(gate, where)
            founding.write(chosen, text, os.environ, force=force)
            if not trusts:
                return chosen, None
            return chosen, founding.trust_written(gate, where, chosen, text, before)

        chosen, trusted = await asyncio.to_thread(write)
        loaded = await asyncio.to_thread(load, where)
        env = without_relative_path(os.environ)
        health = await team_health(env, loaded)
        health += await checks_health(env, where, loaded)
        return Founded(
            str(chosen.path),
            trusted is not None and trusted.outcome in {"trusted", "unneeded"},
            tuple(founding.notes(chosen, trusted)) if trusted else (),
            tuple(asdict(finding) for finding in health),
        )

    def team(self, folder: str, editor: EditorView) -> Team:
        """What is configured for a folder; blocking. See `lsp.desk.Desk.team`."""
        from massgen_ls.lsp.desk import Team

        loaded = load(Path(folder), self._config, self._beside(editor))
        agents = tuple((str(agent.id), agent.type) for agent in loaded.agents)
        checks = tuple(check.name for check in loaded.checks)
        return Team(agents, checks, loaded.rules.mode, loaded.source)

    def agents(self, file: str, editor: EditorView) -> Sequence[AgentSpec]:
        """The agents of one configuration file; blocking. See `lsp.desk.Desk.agents`."""
        return load(Path(file).parent, file, self._beside(editor)).agents

    def named_agents(self) -> Mapping[str, str]:
        """See `lsp.desk.Desk.named_agents`."""
        from massgen_ls.adapters.agents.acp.rows import rows

        return {row.id: row.name for row in rows().values()}


def compose(config: str | None, profile: str | None = None) -> Compose:
    """How the language server gets at everything else.

    Args:
        config: A configuration file for every folder, instead of their own.
        profile: A profile that the user named.
    """
    from massgen_ls.lsp.desk import Services

    @asynccontextmanager
    async def services(say: Callable[[str], None], approver: Approver) -> AsyncGenerator[Services]:
        async with open_supervisor(approver=approver, say=say) as supervisor:
            yield Services(supervisor, ConfiguredDesk(config, profile), disk_files(say))

    return services
