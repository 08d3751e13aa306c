"""Whether what a configuration names is on this machine: agents, and the programs of checks."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from massgen_ls.adapters.agents.roster import open_drivers
from massgen_ls.adapters.checks.command import path_of
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.host.programs import resolve
from massgen_ls.config import Loaded, missing_parts
from massgen_ls.core.task import AgentSpec, CheckSpec

Mark = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report about a machine."""

    part: str
    mark: Mark
    text: str
    hint: str = ""


def to_mend(findings: Iterable[Finding]) -> str:
    """What stands between these findings and a run; empty when nothing does."""
    bad = sum(finding.mark == "bad" for finding in findings)
    return f"{bad} to mend before a run can do its work." if bad else ""


async def team_health(environ: Mapping[str, str], loaded: Loaded) -> list[Finding]:
    """Whether each agent of a configuration could start now; starts none."""
    findings: list[Finding] = []
    able = False
    async with open_drivers(HostProcesses(), environ, sys.executable) as drivers:
        for name, agent in _each(loaded.agents):
            if agent.type not in drivers:
                (what, hint), *_ = missing_parts([replace(agent, fallback=None)])
                findings.append(Finding("agent", "bad", f"{name}: {what}", hint))
                continue
            health = await drivers[agent.type].health(agent)
            told = health.version and health.version not in health.found
            there = f"{health.version} at {health.found}" if told else health.found
            text = f"{name}: {there}" if health.ok else f"{name}: not ready; {there}"
            # A seat with a fallback can work without its first agent.
            missing: Mark = "note" if agent.fallback else "bad"
            mark: Mark = ("note" if health.hint else "ok") if health.ok else missing
            able = able or (health.ok and health.sure)
            findings.append(Finding("agent", mark, text, health.hint))
    if not able and not any(finding.mark == "bad" for finding in findings):
        text = "of no agent it is known that it can work"
        findings.append(Finding("team", "bad", text, "Do what is said above for one of them"))
    return findings


async def checks_health(environ: Mapping[str, str], folder: Path, loaded: Loaded) -> list[Finding]:
    """Whether the program of each check is there; starts none."""
    made = bool(loaded.rules.worktree.setup)
    include = loaded.rules.worktree.include

    def look() -> list[Finding]:
        return [_of_check(check, environ, folder, include, made=made) for check in loaded.checks]

    return await asyncio.to_thread(look)


def _of_check(
    check: CheckSpec,
    environ: Mapping[str, str],
    folder: Path,
    include: Sequence[str],
    *,
    made: bool,
) -> Finding:
    text = f"{check.name}: {' '.join(check.argv)}"
    why = lacking(check, environ, folder, include)
    if not why:
        return Finding("check", "ok", text)
    if made:
        return Finding("check", "note", f"{text}; {why}", "`worktree.setup` has to bring it")
    hint = "Install it, name its ignored folder under `worktree.include`, or change the check"
    return Finding("check", "bad", f"{text}; {why}", hint)


def lacking(
    check: CheckSpec, environ: Mapping[str, str], folder: Path, include: Sequence[str]
) -> str:
    """What of a check's program is missing, in words; empty when it would be started.

    Args:
        check: The check.
        environ: The user's environment.
        folder: The project's.
        include: Ignored folders that its worktree has.
    """
    name = check.argv[0].replace("{python}", sys.executable)
    brought = [each for each in include if (folder / each).is_dir()]
    path = path_of(str(folder), environ, sys.executable, brought)
    try:
        resolve(name, {"PATH": path}, str(folder))
    except FileNotFoundError:
        return f"{name} not found" if os.sep in name else f"{name} not found on PATH"
    except OSError as error:
        return f"{name}: {error.strerror}"
    return ""


def _each(agents: Iterable[AgentSpec]) -> Iterator[tuple[str, AgentSpec]]:
    """Every agent with its fallbacks, named for people."""
    for agent in agents:
        name, each = str(agent.id), agent
        yield name, each
        while each.fallback is not None:
            name, each = f"{name} (fallback)", each.fallback
            yield name, each
