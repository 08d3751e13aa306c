"""What an agent said and did, in one form for every kind of agent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from massgen_ls.core.changes import RelPath


@dataclass(frozen=True, slots=True)
class Spoken:
    """A whole message of the agent, or a message given to it."""

    text: str
    by: str = "agent"
    """``agent``, or ``user`` for what it was told."""
    thinking: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """A use of a tool, with its result when there is one."""

    tool: str
    """In words that all agents share: ``read``, ``edit``, ``write``, ``run``, ``search``, … ; the
    agent's own name for what has no such word."""
    target: str = ""
    """The path or command line, short."""
    detail: str = ""
    """What was put in, beyond the target (the new text, say)."""
    result: str = ""
    ok: bool | None = None
    """None: it never said."""
    call: str = ""
    """The agent's own name for this call; pairs it with its result."""


Part = Spoken | Called

_PART = 8 * 1024
_NAME = 512
_WHOLE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Transcript:
    """One attempt, told in order."""

    agent: str
    """The agent's id."""
    type: str
    """The kind of agent, e.g. ``claude_code``."""
    parts: tuple[Part, ...] = ()
    files: tuple[RelPath, ...] = ()
    """What it changed, as captured."""
    summary: str = ""
    omitted: int = 0
    """Parts that were left out of the middle, to keep to a bound."""
    session: str = ""
    """The agent's own name for this conversation."""


@dataclass(slots=True)
class Recorder:
    """Gathers parts within a bound: of a very long attempt the first and the last ones stay.

    Each text keeps its first and last 4 KiB; all together hold about 256 KiB.
    """

    most: int = _WHOLE
    _head: list[Part] = field(default_factory=list[Part])
    _tail: list[Part] = field(default_factory=list[Part])
    _head_size: int = 0
    _tail_size: int = 0
    _omitted: int = 0

    def add(self, part: Part) -> None:
        """Keeps one more part."""
        part = _bounded(part)
        size = _size(part)
        if not self._tail and self._head_size + size <= self.most // 2:
            self._head.append(part)
            self._head_size += size
            return
        self._tail.append(part)
        self._tail_size += size
        self._trim()

    def returned(self, call: str, result: str, *, ok: bool) -> None:
        """Completes the latest call of that name; a result of no known call is dropped."""
        call = shorten(call, _NAME)
        for parts in (self._tail, self._head):
            for i in range(len(parts) - 1, -1, -1):
                part = parts[i]
                if isinstance(part, Called) and part.call == call and part.ok is None:
                    # Only the result: what was shortened before would be shortened twice.
                    parts[i] = replace(part, result=shorten(result, _PART), ok=ok)
                    grown = _size(parts[i]) - _size(part)
                    if parts is self._head:
                        self._head_size += grown
                    else:
                        self._tail_size += grown
                    self._trim()
                    return

    def _trim(self) -> None:
        """Leaves out of the middle what is too much: the first and the last part stay."""
        half = self.most // 2
        while self._head_size > half and len(self._head) > 1:
            part = self._head.pop()
            self._head_size -= _size(part)
            if self._omitted:
                self._omitted += 1
            else:
                self._tail.insert(0, part)
                self._tail_size += _size(part)
        while self._tail_size > half and len(self._tail) > 1:
            self._tail_size -= _size(self._tail.pop(0))
            self._omitted += 1

    def transcript(
        self,
        agent: str,
        kind: str,
        *,
        files: Iterable[RelPath] = (),
        summary: str = "",
        session: str = "",
    ) -> Transcript:
        """What was gathered so far."""
        parts = (*self._head, *self._tail)
        summary = shorten(summary, _PART)
        return Transcript(agent, kind, parts, tuple(files), summary, self._omitted, session)


def _size(part: Part) -> int:
    if isinstance(part, Spoken):
        return len(part.text) + 16
    texts = (part.tool, part.target, part.detail, part.result, part.call)
    return sum(map(len, texts)) + 32


def _bounded(part: Part) -> Part:
    if isinstance(part, Spoken):
        return replace(part, text=shorten(part.text, _PART))
    return replace(
        part,
        tool=shorten(part.tool, _NAME),
        call=shorten(part.call, _NAME),
        target=shorten(part.target, 1024),
        detail=shorten(part.detail, _PART),
        result=shorten(part.result, _PART),
    )


def shorten(text: str, most: int) -> str:
    """At most about ``most`` characters: the beginning and the end, and how much is missing."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[len(text) - half :]}"
