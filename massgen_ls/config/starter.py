"""A first configuration: what was found on a machine → who is in the team, and what decides.

Pure: whoever calls has looked around (`massgen_ls.founding`).
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from typing import Literal

from massgen_ls.config.templates import Template, template
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.task import CheckSpec, Json

Way = Literal["key", "login", "none"]

SEATS = 3
"""How many agents are proposed: more cost more and find little more."""
PREFERRED = ("claude_code", "codex", "gemini_cli", "cursor", "copilot", "opencode", "goose")
"""The best first; any other one comes after these."""
STRONG = frozenset({"claude_code", "codex"})
"""Each of these works before one of them works twice, and that before any other one works."""
_SHORT = {"claude_code": "claude", "gemini_cli": "gemini"}


@dataclass(frozen=True, slots=True)
class Coder:
    """A coding agent, installed or wished for."""

    name: str
    """How its user names it: `claude_code`, `goose`."""
    title: str
    backend: Mapping[str, str]
    """Its ``backend`` block."""
    way: Way = "none"
    """How it gets in: a key of the environment, its user's own login, or nothing that is seen."""
    keys: tuple[str, ...] = ()
    """Variables that are set and let it in."""
    shared: bool = False
    """Those are keys of a service that other agents use too: it may need to be told more."""
    installed: bool = True
    where: str = ""
    """Its program, with the version."""
    hint: str = ""
    """What is missing, for people."""

    @property
    def ready(self) -> bool:
        """Whether it could work now, as far as can be seen."""
        return self.installed and self.way != "none"

    @property
    def entry(self) -> str:
        """How it gets in, in words."""
        if not self.installed:
            return "not installed"
        if self.way == "key":
            return f"with {self.keys[0]}{', which may not be enough' if self.shared else ''}"
        return "with your own login" if self.way == "login" else "with no key or login yet"


@dataclass(frozen=True, slots=True)
class Found:
    """A check that the project seems to have."""

    check: CheckSpec
    why: str
    include: tuple[str, ...] = ()
    """Ignored folders that it needs in a worktree."""
    lacks: str = ""
    """What of its program is missing on this machine, in words."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server of models that answers on this machine."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Around:
    """Everything that was found."""

    coders: tuple[Coder, ...] = ()
    """Those that there are, and known ones that are not installed."""
    keys: tuple[str, ...] = ()
    """Names of variables with keys."""
    servers: tuple[Server, ...] = ()
    checks: tuple[Found, ...] = ()
    repository: str = ""
    """The top of the repository; empty: there is none."""

    def plain(self) -> dict[str, Json]:
        """For programs."""
        return {
            "agents": [
                {"name": c.name, "ready": c.ready, "way": c.way, "hint": c.hint}
                for c in self.installed
            ],
            "keys": [*self.keys],
            "servers": [{"name": server.name, "port": server.port} for server in self.servers],
            "checks": [found.check.name for found in self.checks],
            "repository": self.repository or None,
        }

    @property
    def installed(self) -> tuple[Coder, ...]:
        """The coding agents that there are, the best first, those that can work before others."""
        there = (coder for coder in self.coders if coder.installed)
        return tuple(sorted(there, key=lambda c: (not c.ready, c.shared, _rank(c))))


def _rank(coder: Coder) -> int:
    return PREFERRED.index(coder.name) if coder.name in PREFERRED else len(PREFERRED)


def team(around: Around, seats: int = SEATS) -> tuple[Coder, ...]:
    """Who is proposed; nobody where there is no coding agent at all: the offline team steps in.

    Every strong agent once, then the best one again, then the others: the best agent twice comes
    before a weaker one once. Agents that cannot work yet, or of which that is not sure, are
    proposed only where there are no others.
    """
    there = around.installed
    ready = [coder for coder in there if coder.ready]
    pool = [coder for coder in ready if not coder.shared] or ready or list(there)
    if not pool:
        return ()
    strong = [coder for coder in pool if coder.name in STRONG] or pool[:1]
    weak = [coder for coder in pool if coder not in strong]
    chosen = list(islice(chain(strong, pool[:1], weak, cycle(strong)), seats))
    return tuple(sorted(chosen, key=pool.index))


def seat_ids(coders: Iterable[Coder]) -> tuple[str, ...]:
    """The ids of a team: short names, with a number from the second of a kind on."""
    seen: Counter[str] = Counter()
    ids: list[str] = []
    for coder in coders:
        seen[coder.name] += 1
        short = _SHORT.get(coder.name, coder.name)
        ids.append(short if seen[coder.name] == 1 else f"{short}-{seen[coder.name]}")
    return tuple(ids)


def pick(around: Around, names: Sequence[str]) -> tuple[Coder, ...]:
    """The agents of these names, installed or not; `offline` alone is nobody.

    Raises:
        ConfigError: There is no such agent.
    """
    if list(names) == ["offline"]:
        return ()
    known = {coder.name: coder for coder in around.coders}
    also = {"claude": "claude_code", "gemini": "gemini_cli"}
    wrong = [name for name in names if also.get(name, name) not in known]
    if wrong or not names:
        near = difflib.get_close_matches(wrong[0], known, 1) if wrong else []
        meant = f"Did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"There is no coding agent {wrong[0]!r}" if wrong else "No agent is named",
            f"{meant}There are: {', '.join(known)}, and offline alone",
        )
    return tuple(known[also.get(name, name)] for name in names)


def pick_checks(around: Around, names: Sequence[str]) -> tuple[Found, ...]:
    """The checks of these names that were found.

    Raises:
        ConfigError: There is no such check.
    """
    known = {found.check.name: found for found in around.checks}
    for name in names:
        if name not in known:
            there = ", ".join(known) or "none"
            raise ConfigError(
                f"No check {name!r} was found in this project",
                f"Found: {there}. Any command can be added to the file by hand",
            )
    return tuple(known[name] for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Choice:
    """What the file shall say."""

    coders: tuple[Coder, ...] = ()
    """Who sits at the seats; empty for the offline team."""
    checks: tuple[Found, ...] = ()
    template: Template | None = None
    """Instead of the agents."""

    @property
    def shown(self) -> str:
        """The team, in one line."""
        if self.template is not None:
            return f"the template {self.template.name}"
        return ", ".join(seat_ids(self.coders)) or "the offline team"

    def plain(self) -> dict[str, Json]:
        """For programs."""
        seats = zip(seat_ids(self.coders), self.coders, strict=True)
        return {
            "template": self.template.name if self.template else None,
            "agents": [{"id": seat, "name": coder.name} for seat, coder in seats],
            "checks": [found.check.name for found in self.checks],
        }


def choose(
    around: Around,
    agents: Sequence[str] | None = None,
    ready: str | None = None,
    checks: Sequence[str] | None = None,
) -> Choice:
    """What is wished, and for the rest what is proposed.

    Args:
        around: What was found.
        agents: Names of agents, one for each seat; None: as proposed.
        ready: The name of a template instead.
        checks: Names of found checks; None: all of them.

    Raises:
        ConfigError: There is no such agent, template or check.
    """
    found = around.checks if checks is None else pick_checks(around, checks)
    if ready is not None:
        return Choice((), found, template(ready))
    return Choice(team(around) if agents is None else pick(around, agents), found)
