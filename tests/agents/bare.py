"""A real agent program, run bare: an empty environment, a home of its own, a scripted model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgen_ls.testing.models.programs import Reach, reach
from tests.fakes.programs import search_path

LONGEST_LINE = 16 * 1024 * 1024


@dataclass(frozen=True)
class Ran:
    """What a program did."""

    code: int
    lines: tuple[str, ...]
    stderr: str

    @property
    def events(self) -> list[Any]:
        """The lines of stdout that are JSON objects."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    @property
    def last(self) -> Any:
        return self.events[-1]


async def run(
    program: str,
    url: str,
    place: Path,
    *,
    more: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    prompt: str = "Please do it.",
    key: str = "dummy",
    retries: int = 0,
    settings: Mapping[str, Any] | None = None,
    ends_at: str = "",
    timeout: float = 90,
    up: Callable[[], None] | None = None,
) -> Ran:
    """Runs ``program`` in ``place/work`` until it ends.

    ``ends_at``: it is terminated once a line of stdout has these words in it. ``up`` is called at
    every line.

    Raises:
        TimeoutError: it did not; it and its children are killed then.
    """
    name = Path(program).name
    led = prepared(name, url, place, key=key, retries=retries, settings=settings)
    for file, text in (files or {}).items():
        (place / "work" / file).write_text(text)
    process = await asyncio.create_subprocess_exec(
        program,
        *led.arguments,
        *more,
        env={**led.env, "PATH": search_path(), **(env or {})},
        cwd=place / "work",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            err = group.create_task(process.stderr.read())
            process.stdin.write(prompt.encode())
            process.stdin.close()
            async for line in process.stdout:
                lines.append(line.decode().rstrip("\n"))
                if up is not None:
                    up()
                if ends_at and ends_at in lines[-1]:
                    process.terminate()
            code = await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()
        raise
    return Ran(code, tuple(filter(None, lines)), err.result().decode(errors="replace"))


def prepared(
    name: str,
    url: str,
    place: Path,
    *,
    key: str = "dummy",
    retries: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Reach:
    """The way to the model, with its files on disk, and the folder to work in.

    ``settings`` are added to the program's settings file, where it has one.
    """
    led = reach(name, url, key=key, home=place / "home", retries=retries)
    led.prepare()
    for path in led.files if settings else ():
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(settings or {})))
    (place / "work").mkdir(parents=True, exist_ok=True)
    return led
