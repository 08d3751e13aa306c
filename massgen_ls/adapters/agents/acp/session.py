"""One seat's session with an ACP agent, from its opening to its end, as news."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from massgen_ls.adapters.agents.acp import setup
from massgen_ls.adapters.agents.acp.box import Answered, Box, Broken, Left, Update, Wanted
from massgen_ls.adapters.agents.acp.connection import Connection
from massgen_ls.adapters.agents.acp.events import Feed
from massgen_ls.adapters.agents.acp.jsonrpc import PeerGoneError, RpcError
from massgen_ls.adapters.agents.acp.order import Launch, opening
from massgen_ls.adapters.agents.acp.permits import Permit
from massgen_ls.adapters.agents.attempt.answers import wish
from massgen_ls.adapters.agents.attempt.frame import Frame
from massgen_ls.adapters.agents.program.members import as_object, text
from massgen_ls.adapters.agents.program.talk import Noise, beside
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.task import Json
from massgen_ls.ports import AgentNews, Ended, Halt, Note, Said

SETUP = 120.0
"""Seconds that an agent has for each of its answers before the first prompt."""
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
    """

    connection: Connection
    launch: Launch
    frame: Frame
    instructions: str
    """What the repository says, where the agent is to be told."""
    stubborn: bool = False
    _turning: bool = False
    _feed: Feed = field(init=False)
    _permit: Permit = field(init=False)
    _fresh: bool = True
    """Whether the agent knows nothing yet of what it is about."""
    _shown: bool = False
    """Whether it was shown the task's pictures."""

    def __post_init__(self) -> None:
        place = self.frame.place
        access = place.access
        self._feed = Feed(place.path, access.name if access else "", access.tools if access else ())
        self._permit = Permit(place, judging=self.frame.brief.schema is not None)

    async def news(self) -> AsyncGenerator[AgentNews]:
        """Everything that happens; always one `Ended`, the last."""
        if self.launch.warning:
            yield Said(f"[{self.launch.warning}]\n", "stderr")
        try:
            end = min(self.frame.until, self._now() + SETUP)
            async with asyncio.timeout_at(end) as limit, beside(self._listen(limit)):
                box, remarks = await self._opened()
        except TimeoutError:
            if self.frame.halted:
                yield self.frame.stopped()
            elif self._now() >= self.frame.until:
                yield self.frame.late()
            else:
                yield self.frame.silent(f"no answer for {SETUP:g} s at the start")
            return
        except setup.SetupError as error:
            yield self.frame.failed(error.kind, str(error))
            return
        except RpcError as error:
            yield self._refused(error)
            return
        except PeerGoneError:
            yield self._crashed()
            return
        for remark in remarks:
            yield Said(f"[{remark}]\n", "stderr")
        inbox = self.frame.place.inbox
        attending = self.connection.attend(box, inbox) if inbox is not None else None
        try:
            turns = self.frame.turns(self._words(), functools.partial(self._turn, box))
            async with contextlib.aclosing(turns) as news:
                async for item in news:
                    yield item
        finally:
            if attending is not None:
                attending.cancel()
                await asyncio.wait([attending])
            await self._leave(box)

    # ── before the first prompt ─────────────────────────────────────────────────────────────

    async def _listen(self, limit: asyncio.Timeout) -> None:
        """What is said before there is a session: a halt is obeyed, notes have to wait."""
        inbox = self.frame.place.inbox
        while inbox is not None:
            self.frame.hear(await inbox.receive())
            if self.frame.halted:
                limit.reschedule(self._now())

    async def _opened(self) -> tuple[Box, list[str]]:
        """The session, ready for a prompt, and what people should know of it.

        Raises:
            SetupError, RpcError, PeerGoneError: There is none.
        """
        place, session = self.frame.place, self.frame.brief.session
        opened = await setup.opened(self.connection, self.launch, place, session, self._permit)
        self.frame.session = opened.box.session if opened.loadable else ""
        self._fresh = opened.fresh
        return opened.box, opened.remarks

    def _words(self) -> str:
        """The first prompt."""
        brief = self.frame.brief
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
        return words

    # ── turns ───────────────────────────────────────────────────────────────────────────────

    async def _turn(self, box: Box, words: str) -> AsyncGenerator[AgentNews]:
        """One prompt and all that comes of it; the last item is an `Ended`."""
        self._feed.last, self._feed.acted = "", False
        async with contextlib.aclosing(self._prompted(box, opening(words))) as news:
            async for item in news:
                if isinstance(item, Ended):
                    for late in iter(box.take, None):
                        if isinstance(late, Note | Halt):
                            self.frame.hear(late)
                    self.frame.last = self._feed.last or self.frame.last
                yield item

    async def _prompted(self, box: Box, words: str) -> AsyncGenerator[AgentNews]:
        frame = self.frame
        pictures = () if self._shown else frame.brief.pictures
        self._shown = True
        try:
            await self.connection.prompt(box, words, pictures)
        except PeerGoneError:
            yield self._crashed()
            return
        self._turning = True
        idle = frame.settings.idle_timeout
        heard_at = self._now()
        stop_by = math.inf
        while True:
            now = self._now()
            # Before anything is heard: an agent may talk without a pause.
            if now >= min(frame.until, stop_by):
                yield frame.stopped() if now >= stop_by else frame.late()
                return
            quiet_by = heard_at + idle if stop_by == math.inf else stop_by
            item = await box.hear(min(quiet_by, frame.until) - now)
            if item is None:
                if self._now() >= min(frame.until, stop_by):
                    continue
                if box.deciding:  # a person is being asked: that is no silence
                    heard_at = self._now()
                    continue
                yield frame.silent()
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
                case Note():
                    frame.hear(item)
                case Halt():
                    frame.hear(item)
                    stop_by = min(stop_by, self._now() + self.connection.stopping)
                    await self.connection.cancel(box)
                case Broken(error=error):
                    frame.broken = error
                    yield frame.failed(None, str(error))
                    return
                case Left():
                    self._turning = False
                    yield self._crashed()
                    return
                case Answered(outcome=outcome):
                    self._turning = False
                    for news in self._turn_over(outcome):
                        yield news
                    return

    def _turn_over(self, outcome: Json | RpcError) -> list[AgentNews]:
        failed = self.frame.failed
        if isinstance(outcome, RpcError):
            return [*self._feed.flush(), self._refused(outcome)]
        result = as_object(outcome)
        news = self._feed.turn_over(result)
        match text(result, "stopReason"):
            case "end_turn":
                judging = self.frame.brief.schema is not None
                if self._feed.last or self._feed.acted or judging:
                    return [*news, Ended("done")]
                said = "it ended its turn without a word and without doing anything"
                return [*news, failed("protocol", said)]
            case "cancelled":
                return [*news, failed("protocol", "it cancelled its turn by itself")]
            case "":
                return [*news, failed("protocol", "it ended its turn without saying why")]
            case stop:
                return [*news, failed(_STOPS.get(stop, "protocol"), f"it stopped: {stop}")]

    # ── the end ─────────────────────────────────────────────────────────────────────────────

    async def _leave(self, box: Box) -> None:
        """Stops what still goes on, politely; then the session is nobody's."""
        try:
            if self._turning and not self.connection.over.is_set():
                self._turning = False
                self.stubborn = True
                if not self.frame.halted:
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

    def _refused(self, error: RpcError) -> Ended:
        return setup.refused(error, self.connection, self.launch, self.frame.failed)

    def _crashed(self) -> Ended:
        finished = self.connection.finished
        if finished is None:
            return self.frame.failed("crashed", "its program ended")
        return self.frame.vanished(finished, self.connection.tail[-300:], "crashed")

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
