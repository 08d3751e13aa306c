"""Bounded fan-out of news. What matters was stored before it came here."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    CancelRequested,
    Delivered,
    Delta,
    Envelope,
    RunFailed,
    RunSettled,
    RunStarted,
)
from massgen_ls.core.task import RunId

_log = logging.getLogger(__name__)

_LANDMARKS = (
    RunStarted, AttemptStarted, AttemptEnded, CancelRequested, Delivered, RunFailed, RunSettled,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gap:
    """A slow reader has lost events: it re-reads `Supervisor.state` and goes on."""

    lost: int


class Subscription:
    """One reader's queue. Full of noise, it drops noise; full of events, it turns into a `Gap`."""

    def __init__(self, run: RunId | None, capacity: int) -> None:
        self.run = run
        self._capacity = capacity
        self._news: deque[Envelope | Delta] = deque()
        self._deltas = 0
        self._lost = 0
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, news: Envelope | Delta) -> None:
        """Takes one piece of news; never blocks."""
        if self.run is not None and news.run != self.run:
            return
        is_delta = isinstance(news, Delta)
        # Noise may fill half of the queue, so that it never crowds out a fact.
        if is_delta and self._deltas >= self._capacity // 2:
            return
        if len(self._news) >= self._capacity:
            self._lost += sum(isinstance(n, Envelope) for n in self._news)
            self._news.clear()
            self._deltas = 0
        self._news.append(news)
        self._deltas += is_delta
        self._ready.set()

    def close(self) -> None:
        """Ends the iteration after what is queued."""
        self._closed = True
        self._ready.set()

    def __aiter__(self) -> AsyncIterator[Envelope | Delta | Gap]:
        return self

    async def __anext__(self) -> Envelope | Delta | Gap:
        while not self._news and not self._lost:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        if self._lost:
            gap, self._lost = Gap(self._lost), 0
            return gap
        news = self._news.popleft()
        self._deltas -= isinstance(news, Delta)
        return news


class Bus:
    """Everyone who listens. Implements `ports.Audience`."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._subscriptions: list[Subscription] = []

    def hear(self, news: Envelope | Delta) -> None:
        """Passes one piece of news on to every reader."""
        if isinstance(news, Envelope):
            # The kind alone: what was said and done is in the record.
            level = logging.INFO if isinstance(news.event, _LANDMARKS) else logging.DEBUG
            _log.log(level, "run %s: %d %s", news.run, news.seq, type(news.event).__name__)
        for subscription in self._subscriptions:
            subscription.put(news)

    @contextmanager
    def subscribe(self, run: RunId | None = None) -> Generator[Subscription]:
        """News of one run, or of all, from now on."""
        subscription = Subscription(run, self._capacity)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            subscription.close()

    def close(self) -> None:
        """Ends every reader's iteration."""
        for subscription in self._subscriptions:
            subscription.close()
