"""Episodes in a file, and the server that is started with one from a shell."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from pathlib import Path

import pytest

from massgen_ls.core.errors import ConfigError
from massgen_ls.testing.models import (
    Answer,
    Cut,
    Episode,
    Garbage,
    Native,
    Refuse,
    Reset,
    Text,
    TooLong,
    Turn,
    Usage,
    Write,
)
from massgen_ls.testing.models.written import episodes
from tests.models.asking import ask, question

FILE = r"""
- - text: I will greet.
  - write: {path: hello.txt, text: "Hello\n"}
  - native: {name: mcp__team__vote, input: {for: a}}
- - refuse: {status: 429, headers: {retry-after: "1"}}
- [refuse: 500]
- [too-long, reset]
- - cut: {text: this will not be heard}
- [{garbage: "<html>"}, {answer: {vote: a}}]
- {steps: [text: Done.], usage: {input: 7}}
"""


def test_a_file_says_what_the_classes_say() -> None:
    assert episodes(FILE, "e.yaml") == {
        "*": Episode(
            Turn(
                Text("I will greet."),
                Write("hello.txt", "Hello\n"),
                Native("mcp__team__vote", {"for": "a"}),
            ),
            Turn(Refuse(429, headers={"retry-after": "1"})),
            Turn(Refuse(500)),
            Turn(TooLong(), Reset()),
            Turn(Cut(Text("this will not be heard"))),
            Turn(Garbage(b"<html>"), Answer({"vote": "a"})),
            Turn(Text("Done."), usage=Usage(input=7)),
        )
    }
    assert set(episodes("{a: [[text: A]], b: [[text: B]]}", "e.yaml")) == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[say: Hello]]", "is no step. A step is one of text, thinking"),
        ("[hello]", "is no turn"),
        ("[]", "An episode needs a turn"),
        ("[[write: {file: a}]]", "unexpected keyword argument 'file'"),
        ("[[wait: x]]", "is no step"),
        ("{a: 7}", "e.yaml: "),
        ("[[", "not YAML"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        episodes(text, "e.yaml")


async def test_it_serves_from_a_shell(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("{seat-a: [[text: Hello]]}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "massgen_ls.testing.models", "e.yaml"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            head = (await process.stdout.readuntil(b"ends it.\n")).decode()
            url = re.findall(r"Listening on (\S+);", head)[0]
            heard = await ask(url, *question("anthropic", key="seat-a", whole=True))
            assert heard.json["content"] == [{"type": "text", "text": "Hello"}]
            assert b"/v1/messages: seat-a turn 0" in await process.stdout.readline()
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()
    assert process.returncode == 0
    for variable in ("ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "SCRIPTED_API_KEY"):
        assert variable in head
    assert head.count(url) == 4
