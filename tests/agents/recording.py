"""Records what the real programs print, for those who write their parsers; see `streams/README.md`.

Run it with ``scripts/record_streams``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgen_ls.testing.models import (
    Answer,
    Cut,
    Edit,
    Episode,
    Refuse,
    Shell,
    Text,
    Thinking,
    TooLong,
    Turn,
    Usage,
    Write,
    serving,
)
from tests.agents.acp import converse, talk
from tests.agents.bare import run
from tests.agents.neutral import neutral
from tests.fakes.programs import folder

STREAMS = Path(__file__).parent / "streams"
KINDS = ("claude", "gemini", "gemini-acp", "codex")
SCHEMA = {
    "type": "object",
    "properties": {"vote": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["vote", "reason"],
    "additionalProperties": False,
}
VOTE = {"vote": "candidate-2", "reason": "It is the smaller change."}
FILES = {"app.py": "def double(x):\n    return x + x\n\n\nprint(double(2))\n", "notes.txt": "n\n"}
REPLACED = Edit("app.py", "    return x + x", "    return 2 * x")


def few_tools(kind: str, place: Path) -> list[str]:
    """The tools that an agent of ours gets; the others only make the recordings long."""
    return ["--tools", "Read,Edit,Write,Bash"] if kind == "claude" else []


@dataclass(frozen=True)
class Case:
    """A stream: what the model does, and what the program is started with."""

    episode: Episode
    more: Callable[[str, Path], list[str]] = few_tools
    settings: Mapping[str, Any] | None = None
    """For Gemini, which has no flag for them."""
    answered: bool = True
    """False: nobody listens at the model's address."""


def done(*steps: Text | Thinking | Edit | Write | Shell) -> Episode:
    return Episode(Turn(*steps), Turn(Text("Done."), usage=Usage(1500, 12, cached=1200)))


def few_turns(kind: str, place: Path) -> list[str]:
    """At most three turns."""
    return [*few_tools(kind, place), *(["--max-turns", "3"] if kind == "claude" else [])]


def voting(kind: str, place: Path) -> list[str]:
    """The flags for a structured answer; Gemini has none, and is asked for JSON in words."""
    (place / "schema.json").write_text(json.dumps(SCHEMA))
    match kind:
        case "claude":
            return ["--tools", "", "--json-schema", json.dumps(SCHEMA)]
        case "codex":
            return ["--output-schema", str(place / "schema.json")]
        case _:
            return []


CASES: dict[str, Case] = {
    "edit": Case(done(Thinking("A doubling."), Text("I simplify it."), REPLACED)),
    "new-file": Case(done(Write("test_app.py", "from app import double\n"))),
    "rename": Case(done(Shell("mv notes.txt README.txt"))),
    "shell": Case(done(Shell("ls; echo trouble >&2; exit 3"))),
    "text": Case(Episode(Turn(Text("It doubles. Nothing to do – fine as it is."),
                              usage=Usage(1500, 12, cached=1200)))),
    "401": Case(Episode(Turn(Refuse(401)))),
    "429": Case(Episode(Turn(Refuse(429, headers={"retry-after": "1"})))),
    "500": Case(Episode(Turn(Refuse(500)))),
    "refused": Case(Episode(Turn(Text("never heard"))), answered=False),
    "cut": Case(Episode(Turn(Text("I begin. "), Cut(Write("half.txt", "half\n" * 40))))),
    "too-long": Case(Episode(Turn(TooLong()))),
    "max-turns": Case(Episode(Turn(Shell("true"))), few_turns,
                      {"model": {"maxSessionTurns": 3}}),
    "vote": Case(Episode(Turn(Answer(VOTE)), Turn(Text("Voted."))), voting),
}  # fmt: skip
ENDLESS = {"codex"}
"""Programs that know no greatest number of turns."""


async def record(kind: str, name: str, case: Case, place: Path) -> list[str]:
    """The lines of one stream."""
    program = str(folder() / kind.removesuffix("-acp"))
    async with serving(case.episode) as models:
        url = models.url if case.answered else "http://127.0.0.1:9"
        home, work = place / "home", place / "work"
        if kind == "gemini-acp":
            lines = await spoken(program, url, place, case)
        else:
            more = case.more(kind, place)
            settings = case.settings if kind == "gemini" else None
            ran = await run(
                program,
                url,
                place,
                more=more,
                files=FILES,
                retries=1,
                settings=settings,
                ends_at="waiting for network",
            )
            sys.stderr.write(f"{kind}/{name}: exit {ran.code}, {len(ran.lines)} lines\n")
            lines = list(ran.lines)
    names = {str(work): "/work-tree", str(home): "/home", str(place): "/run"}
    return neutral(lines, names | {str(folder().parent.parent): "/programs"})


async def spoken(program: str, url: str, place: Path, case: Case) -> list[str]:
    """Both directions of a session over ACP."""
    async with talk(program, url, place, case.settings) as talking:
        for file, text in FILES.items():
            (place / "work" / file).write_text(text)
        async with asyncio.timeout(90):
            await converse(talking, place, "Please do it.")
    return talking.lines


async def main(kinds: list[str]) -> None:
    for kind in kinds or KINDS:
        (STREAMS / kind).mkdir(parents=True, exist_ok=True)
        for name, case in CASES.items():
            if name == "max-turns" and kind in ENDLESS:
                continue
            with tempfile.TemporaryDirectory(prefix="stream-") as place:
                lines = await record(kind, name, case, Path(place).resolve())
            text = "".join(line + "\n" for line in lines)
            (STREAMS / kind / f"{name}.jsonl").write_text(text)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
