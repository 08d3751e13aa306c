"""One seat's session with an ACP agent, from its opening to its end, as news."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from massgen_ls.adapters.agents import acp_setup as setup
from massgen_ls.adapters.agents.acp_connection import (
    Answered,
    Box,
    Broken,
    Connection,
    Left,
    Update,
    Wanted,
)
from massgen_ls.adapters.agents.acp_events import Feed
from massgen_ls.adapters.agents.acp_order import Launch, opening
from massgen_ls.adapters.agents.acp_permits import Permit
from massgen_ls.adapters.agents.answers import again, answer, wish
from massgen_ls.adapters.agents.failing import explained, kind_of, retry_after
from massgen_ls.adapters.agents.jsonrpc import PeerGoneError, RpcError
from massgen_ls.adapters.agents.members import as_object, text
from massgen_ls.adapters.agents.notes import Notes
from massgen_ls.adapters.agents.speech import signal_name
from massgen_ls.adapters.agents.talk import Noise, beside
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.task import Json
from massgen_ls.ports import STOPPED, AgentNews, Brief, Ended, Halt, Note, Picture, Place, Said

SETUP = 120.0
"""Seconds that an agent has for each of its answers before the first prompt."""
_ASKED = 3
"""How often a judgement is asked for in all."""
_STOPS: dict[str, FailureKind] = {
    "max_tokens": "context",
    "max_turn_requests": "turns",
    "refusal": "refused",
}


@dataclass(slots=True)
class Session:
    """One attempt in a running agent.

    Attributes:
        stubborn: Whether it went on with its turn after it was asked to stop.
        broken: What failed on our own side; the attempt shall raise it.
    """

    connection: Connection
    launch: Launch
    brief: Brief
    place: Place
    instructions: str
    """What the repository says, where the agent is to be told."""
    until: float
    """When its time is up, by the loop's clock."""
    limit: float
    """Seconds that it has in all, for people."""
    idle: float
    stubborn: bool = False
    broken: Exception | None = None
    _turning: bool = False
    _halted: bool = False
    _notes: Notes = field(default_factory=Notes)
    _feed: Feed = field(init=False)
    _permit: Permit = field(init=False)
    _loadable: bool = False
    _fresh: bool = True
    """Whether the agent knows nothing yet of what it is about."""

    def __post_init__(self) -> None:
        access = self.place.access
        self._feed = Feed(
            self.place.path,
            access.name if access else "",
            access.tools if access else (),
        )
        self._permit = Permit(self.place, judging=self.brief.schema is not None)

    @property
    def unheard(self) -> tuple[str, ...]:
        """Notes that did not reach the agent; after the end."""
        return self._notes.unheard

    async def news(self) -> AsyncGenerator[AgentNews]:
        """Everything that happens; always one `Ended`, the last."""
        if self.launch.warning:
            yield Said(f"[{self.launch.warning}]\n", "stderr")
        try:
            end = min(self.until, self._now() + SETUP)
            async with asyncio.timeout_at(end) as limit, beside(self._listen(limit)):
                box, remarks = await self._opened()
        except TimeoutError:
            if self._halted:
                yield self._stopped()
            elif self._now() >= self.until:
                yield self._late()
            else:
                yield self._silent(f"no answer for {SETUP:g} s at the start")
            return
        except setup.SetupError as error:
            yield self._failed(error.kind, str(error))
            return
        except RpcError as error:
            yield self._refused(error)
            return
        except PeerGoneError:
            yield self._crashed()
            return
        for remark in remarks:
            yield Said(f"[{remark}]\n", "stderr")
        inbox = self.place.inbox
        attending = self.connection.attend(box, inbox) if inbox is not None else None
        try:
            async with contextlib.aclosing(self._turns(box)) as turns:
                async for item in turns:
                    yield item
        finally:
            if attending is not None:
                attending.cancel()
                await asyncio.wait([attending])
            self._look_for_notes(box)
            await self._leave(box)

    # ── before the first prompt ─────────────────────────────────────────────────────────────

    async def _listen(self, limit: asyncio.Timeout) -> None:
        """What is said before there is a session: a halt is obeyed, notes have to wait."""
        inbox = self.place.inbox
        while inbox is not None:
            message = await inbox.receive()
            if isinstance(message, Note):
                self._notes.add(message.text)
            else:
                self._halted = True
                limit.reschedule(self._now())

    async def _opened(self) -> tuple[Box, list[str]]:
        """The session, ready for a prompt, and what people should know of it.

        Raises:
            SetupError, RpcError, PeerGoneError: There is none.
        """
        opened = await setup.opened(
            self.connection, self.launch, self.place, self.brief.session, self._permit
        )
        self._loadable = opened.loadable
        self._fresh = opened.fresh
        return opened.box, opened.remarks

    def _words(self) -> str:
        """The first prompt."""
        brief = self.brief
        if not self._fresh:
            words = brief.prompt
        elif brief.session:
            # Its conversation is lost, and the prompt is only what is new in it.
            words = f"{brief.task.prompt}\n\n{brief.prompt}"
        else:
            words = brief.prompt
        if self._fresh:
            parts = (brief.system, self.instructions, words)
            words = "\n\n".join(part for part in parts if part)
        if brief.schema is not None:
            words = f"{words}\n\n{wish(brief.schema)}"
        return opening(words)

    # ── turns ───────────────────────────────────────────────────────────────────────────────

    async def _turns(self, box: Box) -> AsyncGenerator[AgentNews]:
        words, pictures = self._words(), self.brief.pictures
        asked = 1
        while True:
            ended: Ended | None = None
            async with contextlib.aclosing(self._turn(box, words, pictures)) as turn:
                async for item in turn:
                    if isinstance(item, Ended):
                        ended = item
                    else:
                        yield item
            pictures = ()
            assert ended is not None
            if ended.outcome != "done" or self._halted:
                yield ended
                return
            self._look_for_notes(box)
            if self._halted:
                yield self._stopped()
                return
            if words := self._notes.next_turn():
                words = opening(words)
                continue
            schema = self.brief.schema
            if schema is None:
                yield ended
                return
            value, wrong = answer(self._feed.last, schema)
            if not wrong:
                yield self._done(value)
                return
            if asked == _ASKED:
                yield self._failed("protocol", f"its answer cannot be used: {wrong}")
                return
            asked += 1
            words = again(wrong, schema)

    async def _turn(
        self, box: Box, words: str, pictures: Sequence[Picture]
    ) -> AsyncGenerator[AgentNews]:
        """One prompt and all that comes of it; the last item is an `Ended`."""
        said = self._feed.last
        acted = self._feed.acted
        self._feed.last, self._feed.acted = "", False
        try:
            await self.connection.prompt(box, words, pictures)
        except PeerGoneError:
            yield self._crashed()
            return
        self._turning = True
        heard_at = self._now()
        stop_by = math.inf
        while True:
            now = self._now()
            # Before anything is heard: an agent may talk without a pause.
            if now >= min(self.until, stop_by):
                yield self._stopped() if now >= stop_by else self._late()
                return
            quiet_by = heard_at + self.idle if stop_by == math.inf else stop_by
            item = await box.hear(min(quiet_by, self.until) - now)
            if item is None:
                if self._now() >= min(self.until, stop_by):
                    continue
                if box.deciding:  # a person is being asked: that is no silence
                    heard_at = self._now()
                    continue
                yield self._silent(f"silent for {self.idle:g} s")
                return
            heard_at = self._now()
            match item:
                case Update(body=body):
                    for news in self._feed.heard(body):
                        yield news
                case Wanted(call=call):
                    for news in self._feed.wanted(call)[0]:
                        yield news
                case Noise(text=printed):
                    yield Said(f"{printed}\n", "stderr")
                case Note(text=note):
                    self._notes.add(note)
                case Halt():
                    self._halted = True
                    stop_by = min(stop_by, self._now() + self.connection.stopping)
                    await self.connection.cancel(box)
                case Broken(error=error):
                    # Raised outside of everything that would wrap it.
                    self.broken = error
                    yield Ended("failed", str(error))
                    return
                case Left():
                    self._turning = False
                    yield self._crashed()
                    return
                case Answered(outcome=outcome):
                    self._turning = False
                    over = self._turn_over(outcome)
                    self._feed.last = self._feed.last or said
                    self._feed.acted = self._feed.acted or acted
                    for news in over:
                        yield news
                    return

    def _turn_over(self, outcome: Json | RpcError) -> list[AgentNews]:
        if isinstance(outcome, RpcError):
            ended = self._stopped() if self._halted else self._refused(outcome)
            return [*self._feed.flush(), ended]
        result = as_object(outcome)
        news = self._feed.turn_over(result)
        stop = text(result, "stopReason")
        if self._halted:
            return [*news, self._stopped()]
        if stop == "end_turn":
            if self._feed.last or self._feed.acted or self.brief.schema is not None:
                return [*news, self._done()]
            said = "it ended its turn without a word and without doing anything"
            return [*news, self._failed("protocol", said)]
        if stop == "cancelled":
            return [*news, self._failed("protocol", "it cancelled its turn by itself")]
        kind = _STOPS.get(stop, "protocol")
        quoted = f"it stopped: {stop}" if stop else "it ended its turn without saying why"
        return [*news, self._failed(kind, quoted)]

    def _look_for_notes(self, box: Box) -> None:
        while (item := box.take()) is not None:
            if isinstance(item, Note):
                self._notes.add(item.text)
            elif isinstance(item, Halt):
                self._halted = True

    # ── the end ─────────────────────────────────────────────────────────────────────────────

    async def _leave(self, box: Box) -> None:
        """Stops what still goes on, politely; then the session is nobody's."""
        try:
            if self._turning and not self.connection.over.is_set():
                self._turning = False
                self.stubborn = True
                if not self._halted:
                    await self.connection.cancel(box)
                    self.stubborn = not await self._stops(box)
            elif not self.connection.alone:
                await setup.closed(self.connection, box)
        finally:
            self.connection.forget(box)

    async def _stops(self, box: Box) -> bool:
        until = self._now() + self.connection.stopping
        while (left := until - self._now()) > 0:
            if isinstance(await box.hear(left), Answered | Left):
                return True
        return False

    def _done(self, value: Json = None) -> Ended:
        return Ended("done", summary=self._feed.summary, answer=value, session=self._resumable)

    def _stopped(self) -> Ended:
        return Ended("done", STOPPED, summary=self._feed.summary, session=self._resumable)

    @property
    def _resumable(self) -> str:
        return self._permit.session if self._loadable else ""

    def _late(self) -> Ended:
        why = f"did not end within {self.limit:g} s and was ended; `timeout` sets the limit"
        return Ended(
            "timed_out", why, summary=self._feed.summary, failure="timeout",
            session=self._resumable,
        )  # fmt: skip

    def _silent(self, why: str) -> Ended:
        return Ended(
            "timed_out", explained("timeout", why, self.launch.advice),
            summary=self._feed.summary, failure="timeout", session=self._resumable,
        )  # fmt: skip

    def _refused(self, error: RpcError) -> Ended:
        return setup.refused(error, self.connection, self.launch, self._failed)

    def _failed(self, kind: FailureKind | None, said: str, after: float | None = None) -> Ended:
        return Ended(
            "failed",
            explained(kind, said, self.launch.advice),
            summary=self._feed.summary,
            failure=kind,
            retry_after=after,
            session=self._resumable,
        )

    def _crashed(self) -> Ended:
        tail = self.connection.tail
        finished = self.connection.finished
        code = finished.exit_code if finished is not None else None
        how = "its program ended"
        if code is not None:
            how += f" by {signal_name(-code)}" if code < 0 else f" with exit code {code}"
        kind = kind_of(None, tail) if code else None
        return Ended(
            "failed",
            explained(kind or "crashed", f"{how}: {tail[-300:]}" if tail else how,
                      self.launch.advice),
            code,
            summary=self._feed.summary,
            failure=kind or "crashed",
            retry_after=retry_after(tail),
            session=self._resumable,
        )  # fmt: skip

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
