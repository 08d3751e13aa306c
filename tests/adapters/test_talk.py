"""A conversation with a real program: every line once and in order, its end last, nothing left."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing

import pytest

from massgen_ls.adapters.agents.program.talk import (
    LONGEST,
    Due,
    Gone,
    Heard,
    Line,
    Noise,
    Quiet,
    Talk,
    open_talk,
)
from massgen_ls.adapters.host.process import HostProcesses, Patience
from massgen_ls.core.errors import MassgenError
from massgen_ls.engine.inbox import SeatInbox
from massgen_ls.ports import Command, Halt, Inbox, Note
from tests.adapters.trees import ENV, FIVE, nobody, somebody, tag

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

MIB = 1024 * 1024
SAY = "import sys; out = sys.stdout.buffer\ndef say(b):\n    out.write(b); out.flush()\n"


def talking(
    script: str, *args: str, patience: float = 60.0, inbox: Inbox | None = None, **env: str
) -> AbstractAsyncContextManager[Talk]:
    argv = (sys.executable, "-I", "-S", "-c", SAY + script, *args)
    command = Command(argv, "/", {**ENV, **env}, keep_stdin=True)
    processes = HostProcesses(patience=Patience(ask=0.1, term=0.3, quiet=0.05, drain=0.5))
    return open_talk(processes, command, patience=patience, inbox=inbox)


async def all_heard(script: str, *args: str) -> list[Heard]:
    """Everything up to the end, which is heard last and once."""
    heard: list[Heard] = []
    async with asyncio.timeout(100), talking(script, *args) as talk:
        while not heard or not isinstance(heard[-1], Gone):
            heard.append(await talk.hear())
    return heard


async def values(script: str, *args: str) -> list[object]:
    """Lines as values, noise as text; the end left out."""
    *heard, gone = await all_heard(script, *args)
    assert isinstance(gone, Gone)
    return [
        h.value if isinstance(h, Line) else h.text for h in heard if isinstance(h, Line | Noise)
    ]


# ── lines ───────────────────────────────────────────────────────────────────────────────────────


async def test_lines_are_whole_however_they_are_cut_to_pieces() -> None:
    script = """
import time
text = b'{"a": "\\xc3\\xbc"}\\r\\n\\n  {"b": 2}  \\n{"c": [1,\\n'
for i in range(len(text)):
    say(text[i:i+1])
say(b'{"d": "\\\\ud83d"}')
"""
    assert await values(script) == [{"a": "ü"}, {"b": 2}, '{"c": [1,', {"d": "\ud83d"}]


@pytest.mark.parametrize(
    ("printed", "heard"),
    [
        (b"", []),
        (b"\n\n \t\n", []),
        (b"hello", ["hello"]),
        (b"[1]\n3\nnull\n", ["[1]", "3", "null"]),
        (b'{"a": 1} trailing\n', ['{"a": 1} trailing']),
        (b'{"a": 1}{"b": 2}\n', ['{"a": 1}{"b": 2}']),
        (b"\x1b[31mred\x1b[0m\x07\n", ["red"]),
        (b"\xff\xfe\x00\x01\n{}\n", ["\ufffd\ufffd", {}]),
        (b'{"a": "\xff"}\n', ['{"a": "\ufffd"}']),
        (b'{"\x00": 1}\n', ['{"": 1}']),
        (b"{" * 50_000 + b"\n{}\n", ["{" * 50_000, {}]),
        (b'{"a":' * 50_000 + b"\n{}\n", ['{"a":' * 13107 + "{", {}]),
        (b'{"n": ' + b"9" * 5_000 + b"}\n", ['{"n": ' + "9" * 5_000 + "}"]),
    ],
    ids=range(13),
)
async def test_whatever_is_no_object_is_noise(printed: bytes, heard: list[object]) -> None:
    assert await values(f"say({printed!r})" if len(printed) < 999 else _long(printed)) == heard


def _long(printed: bytes) -> str:
    """A script that prints what is too long for a command line."""
    import base64
    import zlib

    packed = base64.b64encode(zlib.compress(printed)).decode()
    return f"import base64, zlib; say(zlib.decompress(base64.b64decode({packed!r})))"


async def test_both_streams_are_heard_and_an_object_on_stderr_is_noise() -> None:
    heard = await all_heard("say(b'{}\\n'); print('{\"x\": 1}', file=sys.stderr)")
    assert sorted(map(repr, heard[:-1])) == sorted(
        map(repr, [Line({}), Noise('{"x": 1}', "stderr")])
    )


async def test_the_end_says_how_it_ended() -> None:
    (gone,) = await all_heard("sys.exit(7)")
    assert isinstance(gone, Gone)
    assert gone.finished.exit_code == 7


async def test_a_line_of_two_mebibytes_is_one_value() -> None:
    (value,) = await values("say(b'{\"a\": \"' + b'x' * (2 << 20) + b'\"}\\n')")
    assert value == {"a": "x" * (2 << 20)}


async def test_a_line_beyond_all_bounds_is_noise_and_the_next_one_is_heard() -> None:
    # What is left of it looks like an object of its own, and is none.
    script = """
say(b'{"a": "' + b"x" * (65 << 20))
say(b"y" * (1 << 20) + b'\\n{"next": 1}\\n')
say(b"z" * int(sys.argv[1]))
say(b'{"type": "result"}\\n{"last": 1}\\n')
"""
    first, *rest = await values(script, str(LONGEST + 1))
    assert isinstance(first, str)
    assert first.startswith('{"a": "xxx')
    assert len(first) <= 64 * 1024
    second = rest.pop(1)
    assert isinstance(second, str)
    assert second.startswith("zzz")
    assert rest == [{"next": 1}, {"last": 1}]


async def test_many_lines_come_in_order_to_a_slow_listener() -> None:
    heard: list[object] = []
    script = "for i in range(5000):\n    say(b'{\"n\": %d}\\n' % i)"
    async with asyncio.timeout(100), talking(script) as talk:
        while not isinstance(item := await talk.hear(), Gone):
            assert isinstance(item, Line)
            heard.append(item.value["n"])
            if len(heard) % 500 == 0:
                for _ in range(200):  # the program is far ahead by now, and held back
                    await asyncio.sleep(0)
    assert heard == list(range(5000))


# ── what is said to it, silence ─────────────────────────────────────────────────────────────────

ECHO = "say(b'{\"ready\": 1}\\n')\nfor line in sys.stdin.buffer:\n    say(line)\n"


async def test_what_is_sent_is_one_line_and_hanging_up_lets_it_end() -> None:
    async with asyncio.timeout(60), talking(ECHO) as talk:
        assert await talk.hear() == Line({"ready": 1})
        message = {"text": "two\nlines \ud83d ü", "n": [1, None]}
        await talk.send(message)
        assert await talk.hear() == Line(message)
        await talk.hang_up()
        gone = await talk.hear()
        assert isinstance(gone, Gone)
        assert gone.finished.exit_code == 0


async def test_nobody_reading_is_no_error() -> None:
    async with asyncio.timeout(60), talking("sys.stdin.close(); say(b'{}\\n')") as talk:
        while not isinstance(await talk.hear(), Gone):
            pass
        await talk.send({"too": "late"})
        await talk.hang_up()


async def test_silence_is_heard_again_and_again_and_loses_nothing() -> None:
    async with asyncio.timeout(60), talking(ECHO) as talk:
        assert await talk.hear() == Line({"ready": 1})
        talk.patience = 0.01
        assert [await talk.hear(), await talk.hear()] == [Quiet(0.01), Quiet(0.01)]
        talk.patience = 60.0
        await talk.send({"still": "there"})
        assert await talk.hear() == Line({"still": "there"})


async def test_what_the_user_says_is_heard_between_the_lines() -> None:
    inbox = SeatInbox()
    async with asyncio.timeout(60), talking(ECHO, inbox=inbox) as talk:
        assert await talk.hear() == Line({"ready": 1})
        assert inbox.put(Note("psst"))
        assert await talk.hear() == Note("psst")
        await talk.send({"a": 1})
        assert await talk.hear() == Line({"a": 1})
        assert inbox.put(Halt())
        assert await talk.hear() == Halt()
        await talk.hang_up()
        assert isinstance(await talk.hear(), Gone)


async def test_the_end_is_the_last_word_whoever_speaks_then() -> None:
    inbox = SeatInbox()
    for i in range(16):
        assert inbox.put(Note(str(i)))
    heard: list[Heard] = []
    script = "for i in range(200):\n    say(b'{}\\n')"
    async with asyncio.timeout(60), talking(script, inbox=inbox) as talk:
        while not heard or not isinstance(heard[-1], Gone):
            heard.append(await talk.hear())
    assert [n.text for n in heard if isinstance(n, Note)] == [str(i) for i in range(16)]
    assert sum(isinstance(h, Line) for h in heard) == 200
    assert sum(isinstance(h, Gone) for h in heard) == 1


# ── leaving ─────────────────────────────────────────────────────────────────────────────────────

WAVE = {"wave": "~" * 4_000}
FLOOD = "wave = b'{\"wave\": \"' + b'~' * 4_000 + b'\"}\\n'\nwhile True:\n    say(wave * 10)"


async def test_stopping_in_a_flood_ends_it() -> None:
    async with asyncio.timeout(60), talking(FLOOD) as talk:
        assert await talk.hear() == Line(WAVE)
        assert (await talk.stop()).exit_code != 0
        while not isinstance(await talk.hear(), Gone):
            pass


async def test_leaving_in_the_middle_leaves_nothing_behind() -> None:
    word = tag()
    async with asyncio.timeout(60), talking(FIVE, TAG=word) as talk:
        assert await talk.hear() == Noise("ready", "stdout")
        await somebody(word, 5)
    assert await nobody(word)


@pytest.mark.parametrize("error", [ValueError("a bug"), MassgenError("a sentence")])
async def test_an_error_of_the_listener_stays_itself(error: Exception) -> None:
    word = tag()

    async def listen() -> None:
        async with talking(FLOOD, TAG=word) as talk:
            await talk.hear()
            raise error

    with pytest.raises(type(error)) as caught:
        await listen()
    assert caught.value is error
    assert await nobody(word)


async def test_a_driver_that_is_closed_in_the_middle_ends_its_program() -> None:
    """As a seat does it: an async generator over a talk is closed while it waits for us."""
    word = tag()

    async def driver() -> AsyncGenerator[Heard, None]:
        async with talking(FLOOD, TAG=word) as talk:
            while True:
                yield await talk.hear()

    async with asyncio.timeout(60), aclosing(driver()) as news:
        assert await anext(news) == Line(WAVE)
    assert await nobody(word)


async def test_a_driver_that_is_cancelled_while_it_listens_ends_its_program() -> None:
    word, hearing = tag(), asyncio.Event()

    async def listen() -> None:
        async with talking(ECHO, TAG=word) as talk:
            await talk.hear()
            hearing.set()
            await talk.hear()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(listen())
        await hearing.wait()
        task.cancel()
    assert task.cancelled()
    assert await nobody(word)


async def test_a_program_that_is_not_there_is_said_at_once() -> None:
    command = Command(("/nowhere/to/be/found",), "/", ENV)
    with pytest.raises(FileNotFoundError):
        async with open_talk(HostProcesses(), command, patience=1.0):
            raise AssertionError("it cannot have started")


async def test_the_first_line_says_that_it_is_up_and_what_comes_before_does_not() -> None:
    script = "say(b'loading\\n'); sys.stdin.readline(); say(b'{\"a\": 1}\\n{\"a\": 2}\\n')"
    ups: list[int] = []
    argv = (sys.executable, "-I", "-S", "-c", SAY + script)
    command = Command(argv, "/", dict(ENV), keep_stdin=True)
    async with (
        asyncio.timeout(60),
        open_talk(HostProcesses(), command, patience=60.0, up=lambda: ups.append(1)) as talk,
    ):
        assert isinstance(await talk.hear(), Noise)
        assert ups == []
        await talk.send({"go": "on"})
        while not isinstance(await talk.hear(), Gone):
            pass
    assert ups == [1]


# ── who cannot be waited for ────────────────────────────────────────────────────────────────────

ENDLESS = "while True: say(b'{\"a\": 1}\\n' * 100)"


async def test_what_is_due_is_heard_although_it_talks_without_a_pause() -> None:
    async with asyncio.timeout(60), talking(ENDLESS) as talk:
        assert isinstance(await talk.hear(), Line)
        talk.due = asyncio.get_running_loop().time()
        assert await talk.hear() == Due()
        assert isinstance(await talk.hear(), Line), "it is told once"


async def test_what_is_due_is_heard_in_a_silence_that_would_be_longer() -> None:
    async with asyncio.timeout(60), talking("sys.stdin.read()") as talk:
        talk.due = asyncio.get_running_loop().time() + 0.05
        assert await talk.hear() == Due()


async def test_who_does_not_read_is_not_waited_for_and_finds_it_later() -> None:
    script = "say(b'{}\\n'); sys.stdin.readline(); line = sys.stdin.readline()\n"
    script += "say(b'{\"size\": %d}\\n' % len(line))"
    async with asyncio.timeout(60), talking(script) as talk:
        # A pipe holds 64 KiB: most of this has to wait in us.
        await talk.send({"text": "x" * MIB})
        await talk.send({"text": "y" * MIB})
        heard = await talk.hear()
        while not isinstance(heard, Line) or "size" not in heard.value:
            heard = await talk.hear()
        assert heard.value["size"] == MIB + len('{"text":""}\n')


async def test_a_message_comes_before_all_that_is_said_and_none_is_lost() -> None:
    inbox = SeatInbox()
    async with asyncio.timeout(60), talking(ENDLESS, inbox=inbox) as talk:
        await talk.hear()
        for text in "123":
            inbox.put(Note(text))
        heard: list[Heard] = []
        while Note("1") not in heard:
            heard.append(await talk.hear())
        assert len(heard) <= 100, "what was in the queue already, and no more"
    assert [*talk.unheard()] == [Note("2"), Note("3")]
    assert talk.unheard() == []
