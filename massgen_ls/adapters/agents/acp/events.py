"""What an agent tells over the Agent Client Protocol, as news. No I/O, and nothing raises.

Agents fill in a use of a tool bit by bit, some announce it, some only ask leave for it, and some
tell of it when it is over. So a use is told once, as soon as it is known what it is about, and its
result once.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from massgen_ls.adapters.agents.attempt.settings import from_top
from massgen_ls.adapters.agents.program.members import Object, as_object, inner, objects
from massgen_ls.adapters.agents.program.members import count as count_of
from massgen_ls.adapters.agents.program.members import text as text_of
from massgen_ls.adapters.agents.program.speech import Saying
from massgen_ls.core.budget import Usage, micros
from massgen_ls.core.permissions import ActionKind
from massgen_ls.ports import Acted, AgentNews, Returned, Said, Spoke, Used

_ACTIONS = {
    "read": "read", "edit": "edit", "delete": "delete", "move": "move", "search": "search",
    "execute": "run", "think": "think", "fetch": "fetch", "switch_mode": "switch mode",
}  # fmt: skip
_PERMITTED: dict[str, ActionKind] = {
    "read": "read", "search": "read", "think": "read", "edit": "edit", "write": "edit",
    "delete": "edit", "move": "edit", "run": "run", "fetch": "fetch",
}  # fmt: skip
_OVER = frozenset({"completed", "failed"})
_MOST = 4096
"""Uses of tools that are remembered."""
_OPEN = 64
"""Uses that may go on at a time; of more, what the oldest brought with it is forgotten."""
_DETAIL = 32 * 1024
_SUMMARY = 2000


@dataclass(slots=True)
class ToolUse:
    """What is known of one use so far."""

    call: str
    title: str = ""
    kind: str = ""
    status: str = ""
    paths: list[str] = field(default_factory=list[str])
    diffs: list[Object] = field(default_factory=list[Object])
    texts: list[str] = field(default_factory=list[str])
    given: Any = None
    result: Any = None
    told: bool = False
    over: bool = False

    def forget(self) -> None:
        """Lets go of what it brought with it: what is of interest has been told."""
        self.diffs, self.texts = [], []
        self.given = self.result = None

    def learn(self, told: Object) -> None:
        """Takes over what an update says; what it leaves out stays."""
        self.title = text_of(told, "title") or self.title
        self.kind = text_of(told, "kind") or self.kind
        self.status = text_of(told, "status") or self.status
        if isinstance(told.get("locations"), list):
            paths = [text_of(spot, "path") for spot in objects(told["locations"])]
            self.paths = [path for path in paths if path] or self.paths
        if isinstance(told.get("content"), list):
            parts = objects(told["content"])
            self.diffs = [part for part in parts if part.get("type") == "diff"] or self.diffs
            self.texts = [
                text
                for part in parts
                if part.get("type") == "content" and (text := _block(part.get("content")))
            ]
        if told.get("rawInput") not in (None, {}, "", []):
            self.given = told["rawInput"]
        if told.get("rawOutput") is not None:
            self.result = told["rawOutput"]

    @property
    def command(self) -> str:
        """The command line, where it is one."""
        given = as_object(self.given)
        value: Any = given.get("command", given.get("cmd"))
        if isinstance(value, list):
            words = [str(word) for word in cast("list[Any]", value)]
            # ["bash", "-lc", "…"]: what is meant is the script.
            value = words[2] if len(words) == 3 and words[1] in {"-c", "-lc"} else " ".join(words)
        return value if isinstance(value, str) and value else self.title.strip("`")

    @property
    def path(self) -> str:
        """The first file that it is about."""
        for diff in self.diffs:
            if path := text_of(diff, "path"):
                return path
        if self.paths:
            return self.paths[0]
        given = as_object(self.given)
        for name in ("file_path", "path", "abs_path", "absolute_path", "filePath"):
            if path := text_of(given, name):
                return path
        return ""


@dataclass(slots=True)
class Feed:
    """The updates of one session, in their order.

    Args:
        top: The worktree; paths in it are told relative to it.
        server: The name of our MCP server, so that its tools are told apart.
        tools: What our tools are called.
    """

    top: str
    server: str = ""
    tools: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    """All in all."""
    last: str = ""
    """The last whole message of the agent."""
    acted: bool = False
    """Whether it has used any tool."""
    _uses: dict[str, ToolUse] = field(default_factory=dict[str, ToolUse])
    _open: dict[str, ToolUse] = field(default_factory=dict[str, ToolUse])
    _saying: Saying = field(default_factory=Saying)
    _thinking: bool = False

    # ── updates ─────────────────────────────────────────────────────────────────────────────

    def heard(self, update: Object) -> list[AgentNews]:
        """News of one ``session/update``; none for what is of no interest or not understood."""
        match update.get("sessionUpdate"):
            case "agent_message_chunk":
                return list(self._said(_block(update.get("content")), thinking=False))
            case "agent_thought_chunk":
                return list(self._said(_block(update.get("content")), thinking=True))
            case "tool_call" | "tool_call_update":
                return list(self._used(update))
            case "usage_update":
                return list(self._charged(update))
            case _:
                return []

    def wanted(self, call: Object) -> tuple[list[AgentNews], ToolUse]:
        """News of the tool call in a request for permission, and what is known of it."""
        name = text_of(call, "toolCallId")
        use = self._use(name)
        use.learn(call)
        return [*self.flush(), *self._tell(use)], use

    def turn_over(self, result: Object) -> list[AgentNews]:
        """News at the end of a turn: the last message, and the tokens of the turn."""
        spent = _turn_usage(result)
        news = self.flush()
        if spent is not None:
            self.usage += spent
            news.append(Used(self.usage))
        return news

    def flush(self) -> list[AgentNews]:
        """What was said piece by piece, as a whole."""
        text = self._saying.whole().strip()
        if not text:
            return []
        if not self._thinking:
            self.last = text
        return [Spoke(text, thinking=self._thinking)]

    @property
    def summary(self) -> str:
        """The agent's last words, short enough."""
        text = self.last
        return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]}…"

    # ── words ───────────────────────────────────────────────────────────────────────────────

    def _said(self, text: str, *, thinking: bool) -> Iterator[AgentNews]:
        if not text:
            return
        if self._saying and self._thinking != thinking:
            yield from self.flush()
        self._thinking = thinking
        self._saying.add(text)
        if not thinking:
            yield Said(text)

    # ── tools ───────────────────────────────────────────────────────────────────────────────

    def _used(self, update: Object) -> Iterator[AgentNews]:
        yield from self.flush()
        use = self._use(text_of(update, "toolCallId"))
        if use.over:
            return
        use.learn(update)
        over = use.status in _OVER
        if over or use.status == "in_progress" or _telling(use):
            yield from self._tell(use)
        if over:
            use.over = True
            yield Returned(use.call, _result(use), ok=use.status == "completed")
            use.forget()
            self._open.pop(use.call, None)

    def _use(self, call: str) -> ToolUse:
        use = self._uses.get(call)
        if use is None:
            if len(self._uses) >= _MOST:
                self._uses.pop(next(iter(self._uses)))
            use = self._uses[call] = self._open[call] = ToolUse(call)
            if len(self._open) > _OPEN:
                self._open.pop(next(iter(self._open))).forget()
        return use

    def _tell(self, use: ToolUse) -> Iterator[AgentNews]:
        if use.told:
            return
        use.told = True
        self.acted = True
        action, target = self.named(use)
        yield Acted(action, target, _detail(use, action), use.call)

    def named(self, use: ToolUse) -> tuple[str, str]:
        """What a use is, in our words, and what it is about."""
        if ours := self._ours(use):
            return ours, ""
        action = _ACTIONS.get(use.kind, "")
        if action == "run":
            return action, use.command
        if (
            action == "edit"
            and use.diffs
            and all(d.get("oldText") in (None, "") for d in use.diffs)
        ):
            action = "write"
        if action in {"read", "edit", "write", "delete", "move"} and use.path:
            return action, from_top(os.path.normpath(use.path), self.top)
        if action in {"search", "fetch"}:
            given = as_object(use.given)
            named = text_of(given, "url") or text_of(given, "query") or text_of(given, "pattern")
            return action, named or use.title
        return (action, use.title) if action else (use.title or use.kind or "tool", "")

    def _ours(self, use: ToolUse) -> str:
        name = self.own_tool(use)
        return f"{self.server} {name}" if name else ""

    def own_tool(self, use: ToolUse) -> str:
        """The name of our own tool that is used; empty when it is none of ours.

        Believed only of a title that is nothing else, and of a use that is about no command, path
        or address: titles are mostly written by the model, and our tools need no leave.
        """
        # Codex says "execute" of every tool; a command line that is nothing but a name of ours
        # runs no more than that name.
        if not self.server or use.kind in _ACTIONS.keys() - {"other", "think", "execute"}:
            return ""
        if use.path or use.paths or use.diffs or {"command", "cmd"} & as_object(use.given).keys():
            return ""
        server = re.escape(self.server)
        for tool in self.tools:
            name = re.escape(tool)
            forms = (
                rf"(?:tool: ?)?(?:mcp__)?{server}(?:__|[/.:] ?| ){name}|{name} ?\({server}[^()]*\)"
            )
            if re.fullmatch(forms, use.title.strip(), re.IGNORECASE):
                return tool
        return ""

    # ── money ───────────────────────────────────────────────────────────────────────────────

    def _charged(self, update: Object) -> Iterator[AgentNews]:
        told = inner(update, "cost")
        amount = told.get("amount")
        if told.get("currency") != "USD" or not isinstance(amount, int | float):
            return
        self.usage = Usage(
            self.usage.input, self.usage.cached, self.usage.stored, self.usage.output,
            self.usage.requests, micros(amount),
        )  # fmt: skip
        yield Used(self.usage)


def permitted(action: str) -> ActionKind:
    """The kind of action as the rules of permissions know it."""
    return _PERMITTED.get(action, "other")


def _telling(use: ToolUse) -> bool:
    """Whether it is known what a use that has not begun is about."""
    return use.given is not None or bool(use.diffs) or bool(use.paths)


def _detail(use: ToolUse, action: str) -> str:
    if use.diffs:
        return "\n".join(text_of(diff, "newText") for diff in use.diffs)[:_DETAIL]
    if action == "run" or use.given is None:
        return ""
    return _json(use.given)[:_DETAIL]


def _result(use: ToolUse) -> str:
    if use.texts:
        return "\n".join(use.texts)
    if use.diffs or use.result is None:
        return ""
    return use.result if isinstance(use.result, str) else _json(use.result)


def _turn_usage(result: Object) -> Usage | None:
    """Tokens of one turn: the protocol's own count, or Gemini's."""
    told = result.get("usage")
    if isinstance(told, dict):
        count = as_object(cast("object", told))
        return Usage(
            input=count_of(count, "inputTokens"),
            cached=count_of(count, "cachedReadTokens"),
            stored=count_of(count, "cachedWriteTokens"),
            output=count_of(count, "outputTokens") + count_of(count, "thoughtTokens"),
        )
    tokens = inner(inner(inner(result, "_meta"), "quota"), "token_count")
    if not tokens:
        return None
    return Usage(input=count_of(tokens, "input_tokens"), output=count_of(tokens, "output_tokens"))


def _block(content: Any) -> str:
    """The text of a content block; what is no text is named."""
    block = as_object(content)
    match block.get("type"):
        case "text":
            return text_of(block, "text")
        case "resource":
            return text_of(inner(block, "resource"), "text")
        case "resource_link":
            return text_of(block, "uri")
        case "image" | "audio" as kind:
            return f"[{kind}]"
        case _:
            return ""


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""
