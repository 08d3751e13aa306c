"""Frames and the way out."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.stdio.frames import BrokenStreamError, Frames, frame
from massgen_ls.lsp.stdio.outbox import DELTA, FACT, FIRM, HARD, SOFT, VITAL, Outbox

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
MESSAGES = st.lists(st.dictionaries(st.text(), JSON), max_size=5)


@settings(deadline=None)
@given(MESSAGES, st.data())
def test_messages_arrive_however_the_bytes_are_cut(
    messages: list[dict[str, object]], data: st.DataObject
) -> None:
    stream = b"".join(frame(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    frames, found = Frames(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += frames.feed(stream[start:end])
    assert [json.loads(body) for body in found] == messages


def test_headers_of_all_kinds_of_clients_are_read() -> None:
    stream = (
        b"content-length:2\r\n\r\n{}"
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length:  2\r\n\r\n{}"
    )
    assert Frames().feed(stream) == [b"{}", b"{}"]


@pytest.mark.parametrize(
    "stream",
    [b"x" * 9000, b"GET / HTTP/1.1\r\n\r\n", b"Content-Length: -1\r\n\r\n",
     b"Content-Length: 99999999999999\r\n\r\n", b"Content-Length: 300000000\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_stream_of_messages_is_not_waited_for(stream: bytes) -> None:
    with pytest.raises(BrokenStreamError):
        Frames().feed(stream)


class Pipe:
    """A reader that can stop reading."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.got: list[bytes] = []
        self.broken = threading.Event()

    def sink(self, data: bytes) -> None:
        self.open.wait(20)
        if self.broken.is_set():
            raise BrokenPipeError
        self.got.append(data)


def test_a_client_that_stops_reading_loses_noise_first_then_facts_and_never_answers() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe.sink, lambda: None)
    chunk = b"x" * (256 * 1024)
    taken = {DELTA: 0, FACT: 0, VITAL: 0}
    for rank, size in ((DELTA, SOFT), (FACT, FIRM), (VITAL, 2 * HARD)):
        for _ in range(size // len(chunk) * 2):
            taken[rank] += outbox.offer(chunk, rank)
    assert outbox.offer(b"", DELTA) is False
    assert outbox.offer(b"", FACT) is False
    assert taken[DELTA] * len(chunk) <= SOFT + len(chunk)
    assert sum((taken[DELTA], taken[FACT])) * len(chunk) <= FIRM + len(chunk)
    assert taken[VITAL] == 2 * HARD // len(chunk) * 2
    held = threading.Thread(target=outbox.wait_for_room)
    held.start()
    held.join(0.05)
    assert held.is_alive(), "the client's requests wait while it does not read"
    pipe.open.set()
    assert outbox.flush(20)
    held.join(20)
    assert not held.is_alive()
    assert sum(map(len, pipe.got)) == sum(taken.values()) * len(chunk)


def test_a_client_that_is_gone_is_said_once_and_frees_everything() -> None:
    pipe = Pipe()
    said: list[int] = []
    outbox = Outbox(pipe.sink, lambda: said.append(1))
    outbox.write(b"x" * 1000)
    pipe.broken.set()
    pipe.open.set()
    assert outbox.flush(20)
    assert (said, outbox.backlog, outbox.offer(b"y", VITAL)) == ([1], 0, False)


def test_a_flush_does_not_wait_for_ever() -> None:
    pipe = Pipe()
    outbox = Outbox(pipe.sink, lambda: None)
    outbox.write(b"x")
    assert outbox.flush(0.05) is False
    pipe.open.set()


async def test_a_second_handler_of_a_method_is_refused() -> None:
    outbox = Outbox(lambda _: None, lambda: None)
    protocol = MassgenServer({"capabilities": {}}, outbox).protocol
    protocol.register("massgen/one", lambda _: 1)
    with pytest.raises(ValueError, match="massgen/one has a handler already"):
        protocol.register("massgen/one", lambda _: 2)
    assert outbox.flush(20)
    outbox.close()
