"""Which ports of this machine something listens at."""

from __future__ import annotations

import asyncio
import socket
import time

from massgen_ls.adapters.host.listening import listening


def port_of(server: socket.socket) -> int:
    return server.getsockname()[1]


async def test_only_what_listens_is_told_and_nothing_is_said_to_it() -> None:
    heard: list[bytes] = []
    ended = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.read())
        except ConnectionError:
            heard.append(b"")
        writer.close()
        ended.set()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    closed = socket.create_server(("127.0.0.1", 0))
    shut = port_of(closed)
    closed.close()
    async with server:
        here = port_of(server.sockets[0])  # type: ignore[arg-type]
        assert await listening([here, shut]) == {here}
        async with asyncio.timeout(10):
            await ended.wait()
    assert heard == [b""]


async def test_a_server_that_takes_nobody_is_not_waited_for() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        try:
            for each in waiting:  # its queue is full: a further connection hangs
                each.setblocking(False)
                each.connect_ex(deaf.getsockname())
            began = time.monotonic()
            await listening([port_of(deaf)], within=0.2)
            assert time.monotonic() - began < 5
        finally:
            for each in waiting:
                each.close()
