"""Whatever goes wrong with the real Gemini CLI or its service is told by kind, once, and ends."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from massgen_ls.core.task import Json
from massgen_ls.testing.models import (
    Cut,
    Episode,
    Garbage,
    Refuse,
    Reset,
    Silence,
    Text,
    TooLong,
    Turn,
    Write,
)
from tests.agents.stage import agent, attempt, brief, left_over
from tests.agents.test_gemini import APP, DOUBLED, studio

pytestmark = pytest.mark.agents


@dataclass(frozen=True)
class Fault:
    """An episode that goes wrong, and what is told of it."""

    episode: Episode
    outcome: str
    failure: str | None
    words: str
    """In the reason."""
    changed: tuple[str, ...] = ()
    """Files that the agent changed before; what it did stays."""
    settings: tuple[tuple[str, Json], ...] = ()


HALF = "half a sentence that never comes to its end"
FAULTS: dict[str, Fault] = {
    "401": Fault(Episode(Turn(Refuse(401))), "failed", "auth", "GEMINI_API_KEY"),
    "403": Fault(Episode(Turn(Refuse(403))), "failed", "auth", "GEMINI_API_KEY"),
    "429": Fault(
        Episode(Turn(Refuse(429, headers={"retry-after": "1"}))),
        "failed", "rate_limit", "fewer requests",
    ),
    "500": Fault(Episode(Turn(Refuse(500))), "failed", "overloaded", "try again later"),
    "503": Fault(Episode(Turn(Refuse(503))), "failed", "overloaded", "try again later"),
    "too long": Fault(Episode(Turn(TooLong())), "failed", "context", "outgrew"),
    "reset": Fault(Episode(Turn(Reset())), "failed", "network", "cannot be reached"),
    "cut in words": Fault(
        Episode(Turn(Text("I begin. "), Cut(Text(HALF)))), "failed", "network", "broke",
    ),
    "cut in a tool": Fault(
        Episode(Turn(DOUBLED), Turn(Cut(Write("half.txt", "half\n" * 40)))),
        "failed", "network", "broke", ("app.py",),
    ),
    "garbage": Fault(Episode(Turn(Garbage())), "failed", "protocol", "could not be understood"),
    "nothing": Fault(Episode(Turn(Text(""))), "failed", "protocol", "could not be understood"),
    "silence": Fault(
        Episode(Turn(DOUBLED), Turn(Silence())),
        "timed_out", "timeout", "idle_timeout", ("app.py",), (("idle_timeout", 6),),
    ),
    "time": Fault(
        Episode(Turn(DOUBLED), Turn(Silence())),
        "timed_out", "timeout", "`timeout` sets the limit", ("app.py",), (("timeout", 8),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("protocol", ["acp", "stream-json"])
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_by_its_kind(
    tmp_path: Path, gemini: str, name: str, protocol: str
) -> None:
    fault = FAULTS[name]
    async with studio(tmp_path, fault.episode) as play:
        told = await play.play(settings={"protocol": protocol, **dict(fault.settings)})
    assert told.how == (fault.outcome, fault.failure), told.ended
    assert fault.words in told.ended.reason
    assert tuple(play.stage.changed) == fault.changed
    if fault.changed:
        assert play.stage.changed["app.py"] == APP


@pytest.mark.parametrize("protocol", ["acp", "stream-json"])
async def test_nobody_at_the_address_is_the_network(
    tmp_path: Path, gemini: str, protocol: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with studio(tmp_path, Episode(Turn(Text("never")))) as play:
            told = await play.play(settings={"protocol": protocol, "base_url": url})
    assert told.how == ("failed", "network")


@pytest.mark.parametrize("protocol", ["acp", "stream-json"])
async def test_without_a_key_it_says_how_to_get_one(
    tmp_path: Path, gemini: str, protocol: str
) -> None:
    async with studio(tmp_path, Episode(Turn(Text("never")))) as play:
        play.stage.around = type(play.stage.around)(
            {k: v for k, v in play.stage.around.environ.items() if k != "GEMINI_API_KEY"},
            play.stage.around.python,
        )
        driver = type(play.driver)(play.stage.processes, play.stage.around)
        spec = play.spec(protocol=protocol)
        told = await attempt(driver, spec, brief(), play.stage.place())
        assert play.models.requests == []
    assert told.how == ("failed", "auth")
    assert "set GEMINI_API_KEY" in told.ended.reason
    assert left_over(play.stage) == []


async def test_a_try_after_a_fault_goes_on_in_the_same_conversation(
    tmp_path: Path, gemini: str
) -> None:
    episode = Episode(
        Turn(Text("I begin."), DOUBLED),
        Turn(Refuse(503)), Turn(Refuse(503)),
        Turn(Text("I went on.")),
    )  # fmt: skip
    async with studio(tmp_path, episode) as play:
        first = await play.play("Double it.")
        assert first.how == ("failed", "overloaded")
        again = await play.play("Go on.", order={"session": first.ended.session})
        assert "Double it." in play.body
        assert "I begin." in play.body
    assert again.how == ("done", None)
    assert again.spoke == ["I went on."]


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


OLD = 'case "$*" in *--acp*) echo "Unknown argument: acp" >&2; exit 1;; esac\nexec "{gemini}" "$@"'


async def test_a_program_too_old_for_acp_is_driven_without(tmp_path: Path, gemini: str) -> None:
    program = script(tmp_path / "gemini", OLD.format(gemini=gemini))
    async with studio(tmp_path, Episode(Turn(DOUBLED), Turn(Text("Done.")))) as play:
        told = await play.play(settings={"program": program})
    assert told.how == ("done", None)
    assert play.stage.changed == {"app.py": APP}


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ("exit 0", "crashed"),
        ("kill -SEGV $$", "crashed"),
        ("echo 'not logged in' >&2; exit 41", "auth"),
    ],
)
async def test_a_program_that_ends_at_once_is_told(tmp_path: Path, body: str, failure: str) -> None:
    program = script(tmp_path / "gemini", body)
    async with studio(tmp_path, Episode(Turn(Text("never")))) as play:
        told = await play.play(settings={"program": program})
    assert told.how == ("failed", failure)


async def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with studio(tmp_path, Episode(Turn(Text("never")))) as play:
        told = await play.play(settings={"program": "no-such-gemini"})
    assert told.how == ("missing", "missing")
    assert "npm install -g @google/gemini-cli" in told.ended.reason


# ── health ──────────────────────────────────────────────────────────────────────────────────────


async def test_health_names_the_version_and_the_keys(tmp_path: Path, gemini: str) -> None:
    async with studio(tmp_path, Episode(Turn(Text("never")))) as play:
        told = await play.driver.health(play.spec())
        assert play.models.requests == []
    assert told.ok
    assert told.version.count(".") == 2
    assert told.found.endswith("gemini; GEMINI_API_KEY set")


async def test_health_looks_for_a_login_by_its_name(tmp_path: Path, gemini: str) -> None:
    async with studio(tmp_path, Episode(Turn(Text("never")))) as play:
        spec = agent("gemini_cli", login="user")
        without = await play.driver.health(spec)
        assert "run `gemini` once" in without.hint
        login = play.stage.user / ".gemini" / "oauth_creds.json"
        login.parent.mkdir()
        os.mkfifo(login)  # who opens it waits for ever
        there = await play.driver.health(spec)
        assert "logged in in ~/.gemini" in there.found
        assert there.hint == ""
