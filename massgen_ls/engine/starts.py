"""Starts of heavy programs, as many at a time as there are cores.

A coding agent takes a core for most of a second before it asks its model anything. Started all at
once, eight of them on two cores make their first request after four seconds instead of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

LONGEST = 1.5
"""Seconds after which a start that gave no sign is no longer waited for."""


class Starts:
    """Turns to start; one for each process of ours."""

    def __init__(self, cores: int, longest: float = LONGEST) -> None:
        self._turns = asyncio.Semaphore(max(1, cores))
        self._longest = longest

    @asynccontextmanager
    async def turn(self, *, heavy: bool) -> AsyncGenerator[Callable[[], None]]:
        """Waits for a turn; what it gives is called once the program is up. May be called again.

        The turn ends at the latest with the context, or after `LONGEST`.
        """
        if not heavy:
            yield _nothing
            return
        await self._turns.acquire()
        held = True

        def up() -> None:
            nonlocal held
            if held:
                held = False
                self._turns.release()

        timer = asyncio.get_running_loop().call_later(self._longest, up)
        try:
            yield up
        finally:
            timer.cancel()
            up()


def _nothing() -> None:
    return
