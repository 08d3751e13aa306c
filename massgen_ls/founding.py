"""The first configuration of a project or a user: looks around, and writes the file.

What is proposed out of what was found is decided in `config.starter`. The command line and the
language server are two faces of this.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from uuid import uuid4

from massgen_ls.adapters.agents.roster import open_drivers
from massgen_ls.adapters.host.listening import listening
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.host.trusting import Gate, claim
from massgen_ls.config import Beside, load
from massgen_ls.config.places import NAMES, user_files
from massgen_ls.config.sources import find
from massgen_ls.config.starter import PREFERRED, Around, Coder, Found, Server, Way
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.task import AgentId, AgentSpec
from massgen_ls.core.trust import Claim
from massgen_ls.health import lacking
from massgen_ls.ports import Driver, Health

SERVERS = (
    Server("lmstudio", 1234),
    Server("vllm", 8000),
    Server("sglang", 30000),
    Server("ollama", 11434),
)
"""Servers of models, at the ports where they listen by themselves."""
KEYS = (
    "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENROUTER_API_KEY",
    "XAI_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY", "AZURE_OPENAI_API_KEY",
)  # fmt: skip
"""Variables that are looked for, by name."""
_OWN_DRIVERS = ("claude", "codex", "gemini")
"""Agents of the ACP table that have drivers of their own, which do more."""


def near(path: Path, folder: Path) -> str:
    """A path as it is shown: from the folder where it is inside."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


# ── looking around ──────────────────────────────────────────────────────────────────────────────


async def look_around(folder: Path, environ: Mapping[str, str]) -> Around:
    """What there is for a team: agents, keys by name, servers on this machine, checks.

    Starts no program, reads no key, and asks nobody but this machine's own ports.
    """
    from massgen_ls.adapters.checks.detect import detect

    async with asyncio.TaskGroup() as group:
        agents = group.create_task(_coders(environ))
        ports = group.create_task(listening(server.port for server in SERVERS))
        checks = group.create_task(asyncio.to_thread(detect, folder))
    there = (p for p in (folder, *folder.parents) if (p / ".git").exists())
    return Around(
        coders=agents.result(),
        keys=tuple(name for name in KEYS if environ.get(name)),
        servers=tuple(server for server in SERVERS if server.port in ports.result()),
        checks=tuple(
            Found(d.check, d.why, d.include, lacking(d.check, environ, folder, d.include))
            for d in checks.result()
        ),
        repository=str(next(there, "")),
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    coder: Coder
    keys: tuple[str, ...]
    folders: tuple[str, ...] = ()
    """In the user's home, where a login shows; empty: the driver says it."""


def kinds() -> dict[str, Coder]:
    """Every coding agent that can be named, by its name, as if it were not installed."""
    return {kind.coder.name: kind.coder for kind in _kinds()}


def _kinds() -> list[_Kind]:
    from massgen_ls.adapters.agents.acp.rows import rows
    from massgen_ls.adapters.agents.claude.launch import KEYS as CLAUDE_KEYS
    from massgen_ls.adapters.agents.codex.launch import KEYS as CODEX_KEYS
    from massgen_ls.adapters.agents.gemini.driver import KEYS as GEMINI_KEYS

    own = (
        ("claude_code", "Claude Code", CLAUDE_KEYS),
        ("codex", "Codex", CODEX_KEYS),
        ("gemini_cli", "Gemini CLI", GEMINI_KEYS),
    )
    found = [
        _Kind(Coder(kind, title, {"type": kind}, installed=False), keys)
        for kind, title, keys in own
    ]
    for row in rows().values():
        if row.id not in _OWN_DRIVERS:
            block = {"type": "acp", "agent": row.id}
            coder = Coder(row.id, row.name, block, installed=False)
            found.append(_Kind(coder, row.keys, row.folders))
    known = {name: place for place, name in enumerate(PREFERRED)}
    return sorted(found, key=lambda kind: known.get(kind.coder.name, len(known)))


async def _coders(environ: Mapping[str, str]) -> tuple[Coder, ...]:
    async with (
        open_drivers(HostProcesses(), environ, sys.executable) as drivers,
        asyncio.TaskGroup() as group,
    ):
        known = _kinds()
        users = Counter(key for kind in known for key in kind.keys)
        looks = [
            group.create_task(_coder(drivers[kind.coder.backend["type"]], kind, environ))
            for kind in known
        ]
    found = (look.result() for look in looks)
    return tuple(
        replace(
            c,
            shared=c.way == "key"
            and c.backend["type"] == "acp"
            and all(users[k] > 1 for k in c.keys),
        )
        for c in found
    )


async def _coder(driver: Driver, kind: _Kind, environ: Mapping[str, str]) -> Coder:
    own = await driver.health(_spec(kind.coder, "own"))
    if own.found.endswith(" not found"):
        return replace(kind.coder, hint=own.hint)
    keys = tuple(name for name in kind.keys if environ.get(name))
    users = await driver.health(_spec(kind.coder, "user"))
    way: Way = "none"
    if own.ok and keys:
        way = "key"
    elif users.ok and not users.hint and _logged_in(kind, environ):
        way = "login"
    return replace(
        kind.coder,
        installed=True,
        way=way,
        keys=keys,
        where=_where(own),
        hint="" if way != "none" else own.hint,
    )


def _logged_in(kind: _Kind, environ: Mapping[str, str]) -> bool:
    home = environ.get("HOME", "")
    return not kind.folders or any(os.path.exists(os.path.join(home, f)) for f in kind.folders)


def _spec(coder: Coder, login: str) -> AgentSpec:
    settings = {key: value for key, value in coder.backend.items() if key != "type"}
    return AgentSpec(AgentId(coder.name), coder.backend["type"], {**settings, "login": login})


def _where(health: Health) -> str:
    path = health.found.partition(";")[0]
    return f"{health.version} at {path}" if health.version else path


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Target:
    """The file to be written."""

    path: Path
    user: bool = False
    """It is the user's own, for all projects."""
    counts: bool = True
    """It is where it is looked for; otherwise it has to be named with ``--config``."""
    above: str = ""
    """The configuration of a folder above that this one takes the place of."""


def target(
    folder: Path, environ: Mapping[str, str], output: str | None, *, user: bool, force: bool
) -> Target:
    """Where the file goes.

    Raises:
        ConfigError: There is one already, and nothing may be replaced.
    """
    if user:
        known = user_files(environ)
        path = known[0] if output is None else _absolute(folder, output)
        there = next((p for p in known if p.exists()), None) if output is None else None
        chosen = Target(path, user=True, counts=path in known)
    else:
        path = _absolute(folder, output or NAMES[0])
        counts = path in [folder / name for name in NAMES if not name.startswith("pyproject")]
        found = find(folder, Beside(environ)) if counts else None
        there = found if found is not None and found.is_relative_to(folder) else None
        chosen = Target(path, counts=counts, above=str(found) if found and not there else "")
    if path.name == "pyproject.toml" or path.suffix not in {".yaml", ".yml"}:
        raise ConfigError(f"{path} is no name of a YAML file", "Name one that ends in .yaml")
    if not force and (os.path.lexists(path) or there is not None):
        there = path if os.path.lexists(path) else there
        hint = "Change it by hand, or give --force to have it replaced"
        if there != path:
            hint = f"Change it by hand, or give --force: {path.name} counts before it"
        raise ConfigError(f"{there} is there already", hint)
    return chosen


def _absolute(folder: Path, name: str) -> Path:
    return Path(os.path.abspath(folder / name))


def write(chosen: Target, text: str, environ: Mapping[str, str], *, force: bool) -> None:
    """Writes the file as a whole or not at all.

    Raises:
        ConfigError: It cannot be written, is there already, or would not be a configuration.
    """
    path = chosen.path
    _validated(path, text, environ)
    beside = path.with_name(f".{path.name}.{uuid4().hex}")
    fresh = beside if force else path
    try:
        _folder_of(path)
        with fresh.open("x", encoding="utf-8", newline="\n") as file:
            try:
                file.write(text)
                file.close()
                if force:
                    beside.replace(path)
            except BaseException:  # Ctrl-C leaves no half a file behind
                fresh.unlink(missing_ok=True)
                raise
    except FileExistsError:
        raise ConfigError(f"{path} is there already", "Give --force to have it replaced") from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror or error}",
            "Make its folder writable, or name another file with --output",
        ) from error


def _folder_of(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{path.parent} is not a folder") from None


def _validated(path: Path, text: str, environ: Mapping[str, str]) -> None:
    def read(wanted: Path) -> str | None:
        return text if wanted == path else None

    load(path.parent, str(path), Beside(environ, read=read))


# ── trust ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Before:
    """What was trusted in a folder before the file was written."""

    trusted: bool
    own: Mapping[str, str]
    """What agents obey by themselves: path → digest."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """Whether the folder may have its way with the new file."""

    outcome: Literal["trusted", "unneeded", "ask", "impossible"]
    claim: Claim | None = None
    """With `ask`: what their word would be for."""


def look_before(gate: Gate, folder: Path) -> Before:
    """What is trusted now, whatever state the configuration is in. Reads the disk."""
    own = claim(str(folder), (), ())
    try:
        loaded = load(folder)
    except ConfigError:
        return Before(trusted=False, own=own.files)
    now = claim(str(folder), loaded.sources, loaded.powers)
    return Before(gate.look(now, None)[0].outcome == "trusted", own.files)


def trust_written(gate: Gate, folder: Path, chosen: Target, text: str, before: Before) -> Trusted:
    """Trusts a folder's new configuration, which its user has just made; blocks.

    One word is for the configuration and for what agents obey by themselves: where the folder has
    settings of that kind that its user did not trust before, nothing is trusted.

    Args:
        gate: What says and remembers it.
        folder: The folder.
        chosen: What was written.
        text: As it was written: a file that is another by now is nobody's word.
        before: What was trusted before it.

    Raises:
        StorageError: It cannot be remembered.
    """
    if chosen.user or not chosen.counts:
        return Trusted("unneeded")
    loaded = load(folder)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if [(s.path, s.digest) for s in loaded.sources] != [(str(chosen.path), digest)]:
        return Trusted("impossible")
    after = claim(str(folder), loaded.sources, loaded.powers)
    if after.trouble:
        return Trusted("impossible", after)
    if not after.powers:
        return Trusted("unneeded")
    own = claim(str(folder), (), ()).files
    if after.own and not (before.trusted and own == before.own):
        return Trusted("ask", after)
    gate.store.approve(after, "user")
    return Trusted("trusted", after)


def notes(chosen: Target, trusted: Trusted) -> list[str]:
    """What its user has to know of a file that was written."""
    said: list[str] = []
    if trusted.outcome == "trusted":
        said.append("You made it, so it is trusted as it is (`massgen-ls trust --show`).")
    elif trusted.outcome == "ask":
        said.append(
            "It is not trusted yet, for agents would also obey what this folder brings along:"
            " `massgen-ls trust --show` shows it, `massgen-ls trust` trusts both."
        )
    elif trusted.outcome == "impossible":
        why = trusted.claim.trouble if trusted.claim else "it was changed while it was written"
        said.append(f"It is not trusted: {why}.")
    if not chosen.counts:
        said.append(f"It is not where it is looked for: name it with --config {chosen.path}.")
    if chosen.above:
        said.append(f"In this folder it counts instead of {chosen.above}.")
    return said
