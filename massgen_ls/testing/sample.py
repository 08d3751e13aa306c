"""The demo's repository: a small billing package with history, unfinished work and a trap.

The trap: ``billing/query.py`` builds conditions out of comparisons, as query builders do, so
``field("paid_on") == None`` in ``billing/store.py`` is right although every linter frowns. A fixer
that turns it into ``is None`` leaves fewer findings and a wrong answer, which the tests see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from massgen_ls.core.errors import GitError
from massgen_ls.core.task import CheckSpec
from massgen_ls.ports import Command, Processes
from massgen_ls.testing.sample_files import (
    BUFFER,
    FIRST_COMMIT,
    SECOND_COMMIT,
    UNCOMMITTED,
    UNTRACKED,
)

PROMPT = "clean up this package"
"""A wish that fits the sample."""

CHECKS: tuple[CheckSpec, ...] = (
    CheckSpec("tests", ("{python}", "-m", "unittest", "-v"), timeout=60.0),
    CheckSpec(
        "lint",
        ("{python}", "-m", "ruff", "check", "--no-cache", "--output-format", "concise", "."),
        timeout=60.0,
        parser="lines",
    ),
)
"""The checks of the sample; they are in its ``massgen.yaml`` too."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample repository on disk."""

    folder: Path
    """Its top."""
    buffer: Path
    """A file that is open in an editor and not saved."""
    buffer_text: str
    """What the editor shows of it."""
    prompt: str = PROMPT
    checks: tuple[CheckSpec, ...] = CHECKS


async def make_sample(folder: Path, processes: Processes, env: Mapping[str, str]) -> Sample:
    """Builds the sample: two commits, one uncommitted change, one untracked file.

    Args:
        folder: Where; made when missing, and empty.
        processes: Starts git.
        env: The complete environment of git; an identity is added for the commits.

    Raises:
        GitError: git fails.
        FileExistsError: The folder is not empty.
    """
    await asyncio.to_thread(_claim, folder)
    await _git(processes, env, folder, "init", "--quiet", "--initial-branch=main")
    await asyncio.to_thread(_write, folder, FIRST_COMMIT)
    await _commit(processes, env, folder, "Invoices, money and a small query language")
    await asyncio.to_thread(_write, folder, SECOND_COMMIT)
    await _commit(processes, env, folder, "Discounts and the monthly statement")
    await asyncio.to_thread(_write, folder, UNCOMMITTED)
    await asyncio.to_thread(_write, folder, UNTRACKED)
    ((path, text),) = BUFFER.items()
    return Sample(folder, folder / path, text)


def _claim(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


async def _commit(processes: Processes, env: Mapping[str, str], folder: Path, message: str) -> None:
    await _git(processes, env, folder, "add", "--all")
    identity = ("-c", "user.name=Sample", "-c", "user.email=sample@example.invalid")
    plain = ("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
    await _git(processes, env, folder, *identity, *plain, "commit", "--quiet", "-m", message)


async def _git(processes: Processes, env: Mapping[str, str], folder: Path, *arguments: str) -> None:
    argv = ("git", *arguments)
    ended = await processes.run(Command(argv, cwd=str(folder), env=env, timeout=60.0, tree=False))
    if ended.exit_code != 0:
        said = ended.stderr.decode(errors="replace").strip()
        raise GitError(f"git {arguments[0]} failed in {folder}: {said}")
