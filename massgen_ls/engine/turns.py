"""Turns at the cores: as many at a time as there are, and who is first in line is said anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

_Work = TypeVar("_Work")


class Turns(Generic[_Work]):
    """Gives turns to work of one run.

    Args:
        many: Turns at the same time.
        order: Where work stands in line; the least comes first. Asked when a turn is free, for
            what is known by then may make other work the more telling.
    """

    def __init__(self, many: int, order: Callable[[_Work], Any]) -> None:
        self._free = max(1, many)
        self._order = order
        self._waiting: dict[asyncio.Future[None], _Work] = {}

    @asynccontextmanager
    async def of(self, work: _Work) -> AsyncGenerator[None]:
        """A turn for the work; waits for it."""
        if self._free:
            self._free -= 1
        else:
            await self._called(work)
        try:
            yield
        finally:
            self._pass_on()

    async def _called(self, work: _Work) -> None:
        call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[call] = work
        try:
            await call
        except asyncio.CancelledError:
            if not call.cancelled():
                self._pass_on()  # it was called and is not there any more
            raise
        finally:
            self._waiting.pop(call, None)

    def _pass_on(self) -> None:
        # Who was cancelled stands in line until its task has its next moment.
        there = [call for call in self._waiting if not call.done()]
        if not there:
            self._free += 1
            return
        call = min(there, key=lambda each: self._order(self._waiting[each]))
        del self._waiting[call]
        call.set_result(None)
