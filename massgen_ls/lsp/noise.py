"""What agents print while they are at work: to whom it goes, and what is kept of it.

It is noise, so most of it goes nowhere: an editor that shows a log listens to that agent alone. The
newest of each agent is kept for who begins to listen, and for a while after the run.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from massgen_ls.core.events import Delta
from massgen_ls.core.task import Json, RunId

_KEEP = 8 * 1024
"""Characters that are sent at once for each source and stream; the newest are kept."""
_TAIL = 64 * 1024
"""Characters that are kept of each agent."""
_PIECE = 64
"""What a piece counts for beyond its characters: there may be very many very small ones."""
_TAILS = 64
"""Agents of whom something is kept, the newest."""


@dataclass(slots=True)
class _Tail:
    pieces: deque[tuple[int, str]] = field(default_factory=deque[tuple[int, str]])
    """The number of the run's last event before it, and the text."""
    size: int = 0
    lost: int = 0

    def add(self, after: int, text: str) -> None:
        self.lost += max(0, len(text) - _TAIL)
        text = text[-_TAIL:]
        self.pieces.append((after, text))
        self.size += len(text) + _PIECE
        while (excess := self.size - _TAIL - _PIECE) > 0:
            at, oldest = self.pieces.popleft()
            self.size -= len(oldest) + _PIECE
            self.lost += len(oldest)
            if kept := oldest[excess:]:
                self.pieces.appendleft((at, kept))
                self.size += len(kept) + _PIECE
                self.lost -= len(kept)

    def joined(self) -> list[Json]:
        found: list[tuple[int, list[str]]] = []
        for after, text in self.pieces:
            if not found or found[-1][0] != after:
                found.append((after, []))
            found[-1][1].append(text)
        return [{"after": after, "text": "".join(texts)} for after, texts in found]


@dataclass(slots=True)
class _Gathered:
    text: str = ""
    dropped: int = 0


@dataclass(slots=True)
class Noise:
    """The live output of every run of this process, on its way to one editor."""

    events: str
    """How much of `massgen/event` the editor wants: ``none``, ``facts`` or ``all``."""
    _tails: OrderedDict[tuple[RunId, str], _Tail] = field(
        default_factory=OrderedDict[tuple[RunId, str], _Tail]
    )
    _heard: set[tuple[RunId, str]] = field(default_factory=set[tuple[RunId, str]])
    """Agents to whom the editor listens."""
    _gathered: dict[tuple[RunId, str, str], _Gathered] = field(
        default_factory=dict[tuple[RunId, str, str], _Gathered]
    )

    def take(self, delta: Delta, after: int) -> bool:
        """Takes what came behind so many events of its run; whether it is to be sent."""
        if self.events == "none":
            return False
        place = delta.run, delta.source
        if ":" not in delta.source:  # else a check's or a judge's
            self._tail(place).add(after, delta.text)
        if self.events != "all" and place not in self._heard:
            return False
        gathered = self._gathered.setdefault((*place, delta.stream), _Gathered())
        text = gathered.text + delta.text
        gathered.dropped += max(0, len(text) - _KEEP)
        gathered.text = text[-_KEEP:]
        return True

    def _tail(self, place: tuple[RunId, str]) -> _Tail:
        tail = self._tails.get(place)
        if tail is None:
            tail = self._tails[place] = _Tail()
            while len(self._tails) > _TAILS:
                self._tails.popitem(last=False)
        return tail

    def listen(self, run: RunId, seat: str, *, stop: bool = False) -> Json:
        """Sends the output of an agent from now on, or no more: {parts: [{after, text}], lost}.

        The answer is what it has printed until now, the newest of it.
        """
        (self._heard.discard if stop else self._heard.add)((run, seat))
        tail = self._tails.get((run, seat), _Tail())
        for place in [p for p in self._gathered if p[:2] == (run, seat)]:
            del self._gathered[place]  # it is in the tail
        return {"parts": tail.joined(), "lost": tail.lost}

    def over(self, run: RunId) -> None:
        """A run is over: its agents say nothing more."""
        self._heard = {place for place in self._heard if place[0] != run}

    def gathered(self) -> Iterator[Json]:
        """The events of what was gathered, which is gathered anew afterwards."""
        gathered, self._gathered = self._gathered, {}
        for (run, source, stream), noise in gathered.items():
            payload: dict[str, Json] = {"kind": "delta", "run": run, "source": source}
            payload |= {"stream": stream, "text": noise.text}
            yield {**payload, "dropped": noise.dropped} if noise.dropped else payload

    def __bool__(self) -> bool:
        """Whether something was gathered."""
        return bool(self._gathered)
