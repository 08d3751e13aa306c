"""At which ports of this machine something listens. Nothing is said; no other host is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"


async def listening(ports: Iterable[int], within: float = 0.2) -> frozenset[int]:
    """Those of these ports of the loopback address that take a connection.

    Args:
        ports: All are tried at once.
        within: Seconds for all of them.
    """
    async with asyncio.TaskGroup() as group:
        tried = {port: group.create_task(_listens(port, within)) for port in ports}
    return frozenset(port for port, task in tried.items() if task.result())


async def _listens(port: int, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:  # TimeoutError is one
        return False
    writer.transport.abort()
    return True
