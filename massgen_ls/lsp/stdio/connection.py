"""One conversation with an editor, from its first message to the last process gone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress

from lsprotocol import types

from massgen_ls.core.errors import MassgenError
from massgen_ls.lsp.desk import Compose
from massgen_ls.lsp.features import register
from massgen_ls.lsp.files.asking import Deadlines
from massgen_ls.lsp.permits import AskingApprover
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.stdio.front import Intake
from massgen_ls.lsp.stdio.outbox import Outbox, write_all
from massgen_ls.lsp.stream import Stream

_log = logging.getLogger(__name__)

_FLUSH = 2.0
"""Seconds that a client has to read what was said to it last."""
_LOOK = 2.0
"""Seconds between looks at the parent process, where the system cannot tell us of its end."""


def run(
    greeting: dict[str, object], intake: Intake, outbound: int, load: Callable[[], Compose]
) -> int:
    """Goes on where the front has answered `initialize`; returns the exit code."""
    compose = load()

    async def main() -> int:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        outbox = Outbox(lambda data: write_all(outbound, data), lambda: _call(loop, stop.set))
        _on_signals(loop, stop)
        try:
            bodies = _bodies(intake, loop, outbox)
            return await converse(greeting.get("params"), bodies, outbox, compose, stop=stop)
        finally:
            await asyncio.to_thread(outbox.flush, _FLUSH)

    return asyncio.run(main())


def _call(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
        loop.call_soon_threadsafe(what)


def _on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)


async def _bodies(
    intake: Intake, loop: asyncio.AbstractEventLoop, outbox: Outbox
) -> AsyncIterator[bytes]:
    news = asyncio.Event()
    intake.attach(lambda: _call(loop, news.set), outbox.wait_for_room)
    while True:
        await news.wait()
        news.clear()
        bodies, ended = intake.take()
        for body in bodies:
            yield body
        if ended:
            return


async def converse(
    greeting: object,
    bodies: AsyncIterator[bytes],
    outbox: Outbox,
    compose: Compose,
    *,
    stop: asyncio.Event | None = None,
    deadlines: Deadlines | None = None,
) -> int:
    """Serves one client until it says `exit`, is gone, or ``stop`` is set.

    Args:
        greeting: The parameters of `initialize`, answered already.
        bodies: Every later message.
        outbox: Where to write.
        compose: The floors below.
        stop: Ends the conversation from outside.
        deadlines: How long the editor and its user may take.

    Returns:
        The exit code: 0 after `shutdown`, 1 otherwise.
    """
    server = MassgenServer(greeting, outbox, deadlines)
    if stop is not None:
        server.stopping = stop
    stream = Stream(server)
    register(server, stream)
    async with asyncio.TaskGroup() as group:
        server.adopt(group)
        group.create_task(_keep(server, stream, compose))
        guests = [
            group.create_task(_read(server, bodies)),
            group.create_task(_watch_parent(server)),
        ]
        await server.stopping.wait()
        for guest in guests:
            guest.cancel()
        server.abandon()
        server.leaving.set()
    return 0 if server.protocol.shut else 1


async def _read(server: MassgenServer, bodies: AsyncIterator[bytes]) -> None:
    async for body in bodies:
        server.protocol.receive(body)
        if server.stopping.is_set():
            return
    server.stopping.set()


async def _keep(server: MassgenServer, stream: Stream, compose: Compose) -> None:
    """Owns the floors below: whatever ends the conversation, they are left in order."""

    def say(said: str) -> None:
        server.say(said, types.MessageType.Warning)

    async with AsyncExitStack() as stack:
        try:
            services = await stack.enter_async_context(compose(say, AskingApprover(server.choose)))
            news = stack.enter_context(services.engine.subscribe())
        except MassgenError as error:
            server.provide(error)
            server.say(str(error))
            await server.leaving.wait()
            return
        except Exception as error:  # noqa: BLE001 - the server stays up to say what is wrong
            _log.exception("the engine did not start")
            words = f"massgen-ls could not start its engine ({type(error).__name__}: {error})"
            server.provide(MassgenError(words, "Its log has the details."))
            await server.leaving.wait()
            return
        if server.leaving.is_set():
            return  # the client left while the engine started: nobody would end what begins now
        server.spawn(stream.listen(services, news))
        server.provide(services)
        await server.leaving.wait()


async def _watch_parent(server: MassgenServer) -> None:
    """Ends the conversation when the editor's process is gone, even if its pipes are not."""
    pid = server.client.process
    # (On Windows, signal 0 is not a question.)
    if sys.platform == "win32" or pid is None or not _lives(pid):
        return  # another machine's or container's number says nothing here
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            await _end_of(pid)
            server.stopping.set()
            return
    while _lives(pid):  # noqa: ASYNC110 - only the system knows, and it does not tell
        await asyncio.sleep(_LOOK)
    server.stopping.set()


async def _end_of(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    try:
        loop.add_reader(descriptor, gone.set)
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
