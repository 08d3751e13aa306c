"""What Claude Code prints (``stream-json``), as news. No I/O, and nothing raises.

Measured with 2.1.329. One API message comes as several ``assistant`` events, one for each block,
which share its id; their usage is that of its beginning. The whole truth about tokens is in
``result``: `model_usage_since_last_result` is what one turn cost, while `modelUsage` and
`total_cost_usd` go on over all turns, and over earlier processes of a resumed conversation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

from massgen_ls.adapters.agents.claude.tools import STRUCTURED, Shown, acted
from massgen_ls.adapters.agents.program.members import (
    Object,
    as_object,
    count,
    inner,
    objects,
    text,
)
from massgen_ls.adapters.agents.program.speech import plain
from massgen_ls.core.budget import Usage, micros, total
from massgen_ls.core.task import Json
from massgen_ls.ports import AgentNews, Returned, Said, Spoke, Used


@dataclass(frozen=True, slots=True)
class Question:
    """It asks whether it may use a tool, and waits for the answer."""

    request: str
    tool: str
    given: Object


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A question needs no answer any more."""

    request: str


@dataclass(frozen=True, slots=True)
class Strange:
    """It asks for something that nobody here offers."""

    request: str
    subtype: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A message of ours has reached the model, or will not any more."""

    message: str
    reached: bool = True


@dataclass(frozen=True, slots=True)
class Begun:
    """A turn begins."""


@dataclass(frozen=True, slots=True)
class Result:
    """A turn is over."""

    ok: bool
    """Its own word; ``subtype`` says ``success`` for most errors too."""
    said: str
    """What it said last, or what went wrong."""
    subtype: str = ""
    reason: str = ""
    """Why it ended (`terminal_reason`): ``completed``, ``api_error``, ``max_turns``, …"""
    stop: str = ""
    """Why the model stopped (`stop_reason`): ``end_turn``, ``refusal``, …"""
    status: int | None = None
    """The HTTP status of its service."""
    answer: Json = None
    """The structured answer."""
    waiting: int = 0
    """Turns that will follow by themselves, for messages that came late."""


Told = AgentNews | Question | Withdrawn | Strange | Taken | Begun | Result

_LOST = frozenset({"cancelled", "discarded", "refused"})
"""What becomes of a message that never reaches the model."""
_BAD = frozenset({"failed", "needs-auth", "disabled"})


@dataclass(slots=True)
class Reading:
    """The events of one process, in their order.

    Args:
        shown: Turns a path into what people read.
    """

    shown: Shown
    session: str = ""
    version: str = ""
    spoke: bool = False
    """Whether it has said or done anything."""
    resets_at: float | None = None
    """When its quota is there again, in seconds since the epoch."""
    _settled: Usage = field(default_factory=Usage)
    """What the turns that are over have cost."""
    _turn: dict[str, Usage] = field(default_factory=dict[str, Usage])
    """What the messages of this turn have used so far, by their ids."""
    _total: int = 0
    """The last `total_cost_usd`, in millionths."""
    _message: str = ""
    _texts: set[int] = field(default_factory=set[int])
    """Blocks of text that are being said."""
    _streamed: set[str] = field(default_factory=set[str])
    """Messages of this turn that were said piece by piece."""
    _servers: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    @property
    def usage(self) -> Usage:
        """Spent so far, all in all."""
        live = total(self._turn.values())
        return self._settled + replace(live, requests=len(self._turn))

    def heard(self, event: Object) -> list[Told]:
        """What an event tells; nothing for what is of no interest or not understood."""
        match event.get("type"):
            case "system":
                return list(self._system(event))
            case "stream_event":
                return list(self._streaming(event))
            case "assistant":
                return list(self._message_of(event))
            case "user":
                return list(self._user(event))
            case "result":
                return list(self._result(event))
            case "control_request":
                return list(_request(event))
            case "control_cancel_request":
                return [Withdrawn(text(event, "request_id"))]
            case "command_lifecycle":
                state = text(event, "state")
                if state in {"", "queued", "started"}:
                    return []
                return [Taken(text(event, "command_uuid"), state not in _LOST)]
            case "rate_limit_event":
                self._limited(inner(event, "rate_limit_info"))
                return []
            case _:
                return []

    # ── about itself ────────────────────────────────────────────────────────────────────────

    def _system(self, event: Object) -> Iterator[Told]:
        match event.get("subtype"):
            case "init":
                self.session = text(event, "session_id") or self.session
                self.version = text(event, "claude_code_version") or self.version
                yield Begun()
                for server in objects(event.get("mcp_servers")):
                    yield from self._server(text(server, "name"), text(server, "status"))
            case "api_retry":
                status = count(event, "error_status")
                why = plain(text(event, "error")) or "unknown"
                shown = f"{why}, HTTP {status}" if status else why
                pause = _number(event, "retry_delay_ms") / 1000
                tries = f"{count(event, 'attempt')} of {count(event, 'max_retries')}"
                yield _aside(
                    f"no answer from its service ({shown}): again in {pause:.1f} s, {tries}"
                )
            case "compact_boundary":
                yield _aside("the conversation was shortened, to fit its model")
            case _:
                return

    def _server(self, name: str, status: str) -> Iterator[Told]:
        if status in _BAD and (name, status) not in self._servers:
            self._servers.add((name, status))
            yield _aside(f"it has no tools of the MCP server {name} ({status}) and works without")

    def _limited(self, told: Object) -> None:
        if text(told, "status") == "rejected" and (at := _number(told, "resetsAt")):
            self.resets_at = at

    # ── what is said ────────────────────────────────────────────────────────────────────────

    def _streaming(self, event: Object) -> Iterator[Told]:
        if event.get("parent_tool_use_id") is not None:
            return
        part = inner(event, "event")
        index = count(part, "index")
        match part.get("type"):
            case "message_start":
                message = inner(part, "message")
                self._message = text(message, "id")
                self._texts.clear()
                yield from self._used(self._message, inner(message, "usage"))
            case "content_block_start":
                if inner(part, "content_block").get("type") == "text":
                    self._texts.add(index)
                    self._streamed.add(self._message)
            case "content_block_delta":
                delta = inner(part, "delta")
                if delta.get("type") == "text_delta" and (said := plain(text(delta, "text"))):
                    yield Said(said)
            case "content_block_stop":
                if index in self._texts:
                    self._texts.discard(index)
                    yield Said("\n")
            case "message_delta":
                yield from self._used(self._message, inner(part, "usage"))
            case _:
                return

    def _message_of(self, event: Object) -> Iterator[Told]:
        message = inner(event, "message")
        name = text(message, "id")
        if text(message, "model") == "<synthetic>":
            return  # its own words about an error, which the result repeats
        yield from self._used(name, inner(message, "usage"))
        below = event.get("parent_tool_use_id") is not None
        for block in objects(message.get("content")):
            match block.get("type"):
                case "text" if (said := text(block, "text")).strip() and not below:
                    self.spoke = True
                    if name not in self._streamed:
                        yield Said(plain(said) + "\n")
                    yield Spoke(said)
                case "thinking" if (said := text(block, "thinking")).strip() and not below:
                    yield Spoke(said, thinking=True)
                case "tool_use" | "server_tool_use" | "mcp_tool_use":
                    self.spoke = True
                    tool = text(block, "name")
                    if tool != STRUCTURED:
                        yield acted(tool, inner(block, "input"), text(block, "id"), self.shown)
                case _:
                    pass

    def _user(self, event: Object) -> Iterator[Told]:
        for block in objects(inner(event, "message").get("content")):
            if block.get("type") == "tool_result":
                ok = block.get("is_error") is not True
                yield Returned(text(block, "tool_use_id"), _said(block.get("content")), ok)

    # ── what it costs ───────────────────────────────────────────────────────────────────────

    def _used(self, message: str, told: Object) -> Iterator[Told]:
        if not message or not told:
            return
        before = self._turn.get(message, Usage())
        now = Usage(
            input=max(before.input, count(told, "input_tokens")),
            cached=max(before.cached, count(told, "cache_read_input_tokens")),
            stored=max(before.stored, count(told, "cache_creation_input_tokens")),
            output=max(before.output, count(told, "output_tokens")),
        )
        if message not in self._turn or now != before:
            self._turn[message] = now
            yield Used(self.usage)

    def _settle(self, event: Object) -> None:
        """Replaces what was counted in this turn by what the result says of it."""
        requests = len(self._turn)
        cost_before, self._total = self._total, micros(_number(event, "total_cost_usd"))
        if isinstance(event.get("model_usage_since_last_result"), dict):
            models = objects(list(inner(event, "model_usage_since_last_result").values()))
            final = total(_of_model(model) for model in models)
        else:
            told = inner(event, "usage")
            final = Usage(
                input=count(told, "input_tokens"),
                cached=count(told, "cache_read_input_tokens"),
                stored=count(told, "cache_creation_input_tokens"),
                output=count(told, "output_tokens"),
                cost=max(0, self._total - cost_before),
            )
        if not final.tokens:  # an interrupted request is paid for, and told by nobody
            final = replace(total(self._turn.values()), cost=final.cost)
        self._settled += replace(final, requests=requests)
        self._turn.clear()
        self._streamed.clear()

    def _result(self, event: Object) -> Iterator[Told]:
        self.session = text(event, "session_id") or self.session
        self._settle(event)
        yield Used(self.usage)
        errors = event.get("errors")
        said = text(event, "result")
        if not said and isinstance(errors, list):
            said = "; ".join(str(error) for error in cast("list[Any]", errors))
        reason = text(event, "terminal_reason")
        subtype = text(event, "subtype")
        wrong = event.get("is_error") is not False or subtype != "success"
        yield Result(
            ok=not wrong and reason in {"", "completed"},
            said=plain(said),
            subtype=subtype,
            reason=reason,
            stop=text(event, "stop_reason"),
            status=count(event, "api_error_status") or None,
            answer=event.get("structured_output"),
            waiting=count(event, "queued_turn_count"),
        )


def _request(event: Object) -> Iterator[Told]:
    name = text(event, "request_id")
    request = inner(event, "request")
    subtype = text(request, "subtype")
    if subtype == "can_use_tool":
        yield Question(name, text(request, "tool_name"), inner(request, "input"))
    elif name:
        yield Strange(name, subtype)


def _of_model(told: Object) -> Usage:
    """What one model cost. Of one without a known price the program tells a guess: that is none."""
    known = text(told, "costBasis") != "unknown"
    return Usage(
        input=count(told, "inputTokens"),
        cached=count(told, "cacheReadInputTokens"),
        stored=count(told, "cacheCreationInputTokens"),
        output=count(told, "outputTokens"),
        cost=micros(_number(told, "costUSD")) if known else None,
    )


def _number(told: Object, name: str) -> float:
    value = told.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return float(value) if -1e15 < value < 1e15 else 0.0


def _said(content: object) -> str:
    """The text of a tool's result."""
    if isinstance(content, str):
        return content
    parts = [
        text(block, "text") if block.get("type") == "text" else f"[{block.get('type')}]"
        for block in map(as_object, cast("list[Any]", content) if isinstance(content, list) else [])
    ]
    return "\n".join(parts)


def _aside(words: str) -> Said:
    return Said(f"[{words}]\n", "stderr")
