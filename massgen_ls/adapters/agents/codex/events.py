"""What ``codex exec --json`` prints, as news. No I/O, and nothing raises.

It prints whole items only: a message when it is complete, a command when it begins and when it has
ended. Its tokens come once, at the end of a turn, and count the whole conversation.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from massgen_ls.adapters.agents.attempt.settings import from_top
from massgen_ls.adapters.agents.program.members import Object, count, inner, objects, text
from massgen_ls.adapters.agents.program.speech import plain
from massgen_ls.core.budget import Usage
from massgen_ls.ports import Acted, AgentNews, Returned, Said, Spoke, Used

Turn = Literal["none", "running", "completed", "failed"]

_CHANGES = {"add": "write", "delete": "delete", "update": "edit"}
_SHELL = re.compile(r"\S*\b(?:bash|zsh|sh|dash|fish)(?:\.exe)? -l?c ", re.DOTALL)
_OFFLINE = "waiting for network"
_TOLD = 32 * 1024
"""Characters of a command's output that are kept."""


@dataclass(slots=True)
class Reading:
    """What one run of the program has told so far: one turn of a conversation.

    Args:
        top: The worktree; paths in it are told relative to it.
        before: What the conversation had spent before this attempt.
        ours: The name of our MCP server.
    """

    top: str
    before: Usage = field(default_factory=Usage)
    ours: str = "massgen"
    spent: Usage = field(default_factory=Usage)
    """By the whole conversation."""
    session: str = ""
    turn: Turn = "none"
    error: str = ""
    """Why the turn failed, or what was said last of a trouble."""
    last: str = ""
    """The agent's last message."""
    offline: bool = False
    """It waits until its service can be reached, and would do so for ever."""
    uses: int = 0
    """Of tools."""
    _open: set[str] = field(default_factory=set[str])
    _runs: int = 0

    def heard(self, event: Object) -> list[AgentNews]:
        """News of one line."""
        return list(self._heard(event))

    @property
    def usage(self) -> Usage:
        """What this attempt has spent."""
        now, then = self.spent, self.before
        return Usage(
            input=max(0, now.input - then.input),
            cached=max(0, now.cached - then.cached),
            stored=max(0, now.stored - then.stored),
            output=max(0, now.output - then.output),
        )

    def _heard(self, event: Object) -> Iterator[AgentNews]:
        kind = text(event, "type")
        self.offline = False
        match kind:
            case "thread.started":
                self.session = text(event, "thread_id")
                self._runs += 1
            case "turn.started":
                self.turn = "running"
            case "item.started" | "item.updated" | "item.completed":
                yield from self._item(kind, inner(event, "item"))
            case "error":
                self.error = text(event, "message")
                self.offline = _OFFLINE in self.error
                if self.error.startswith("Reconnecting"):
                    yield Said(f"[{plain(self.error)}]\n", "stderr")
            case "turn.failed":
                self.turn = "failed"
                self.error = text(inner(event, "error"), "message") or self.error
            case "turn.completed":
                self.turn = "completed"
                self.spent = _spent(inner(event, "usage"))
                yield Used(self.usage)
            case _:
                pass

    def _item(self, kind: str, item: Object) -> Iterator[AgentNews]:
        done = kind == "item.completed"
        # Each run of the program counts its items anew.
        call = f"{self._runs}.{text(item, 'id')}"
        match text(item, "type"):
            case "agent_message" if done:
                if said := text(item, "text").strip():
                    self.last = said
                    yield Said(f"{plain(said)}\n")
                    yield Spoke(said)
            case "reasoning" if done:
                if thought := text(item, "text").strip():
                    yield Spoke(thought, thinking=True)
            case "command_execution":
                target = bare(text(item, "command"))
                yield from self._begun(call, [Acted("run", target, call=call)])
                if done:
                    output = text(item, "aggregated_output")[-_TOLD:]
                    yield self._over(call, output, ok=item.get("exit_code") == 0)
            case "file_change":
                uses = list(self._changes(call, item))
                yield from self._begun(call, uses)
                if done:
                    ok = item.get("status") == "completed"
                    for use in uses:
                        yield self._over(use.call, "" if ok else "the patch was refused", ok=ok)
            case "mcp_tool_call":
                yield from self._begun(call, [self._served(call, item)])
                if done:
                    error = text(inner(item, "error"), "message")
                    words = error or "\n".join(
                        text(part, "text") for part in objects(inner(item, "result").get("content"))
                    )
                    yield self._over(call, words, ok=item.get("status") == "completed")
            case "web_search" if done:
                yield from self._begun(call, [Acted("search", text(item, "query"), call=call)])
            case "todo_list":
                yield from self._planned(call, item)
            case "error" if done:
                # A remark, whatever it is called: what ends a turn is told by `turn.failed`.
                yield Said(f"[{plain(text(item, 'message'))}]\n", "stderr")
            case _:
                pass

    def _begun(self, call: str, uses: list[Acted]) -> Iterator[Acted]:
        if call not in self._open:
            self._open.add(call)
            self.uses += 1
            yield from uses

    def _over(self, call: str, words: str, *, ok: bool) -> Returned:
        return Returned(call, plain(words), ok)

    def _changes(self, call: str, item: Object) -> Iterator[Acted]:
        for number, change in enumerate(objects(item.get("changes"))):
            action = _CHANGES.get(text(change, "kind"), "edit")
            name = f"{call}.{number}" if number else call
            yield Acted(action, from_top(text(change, "path"), self.top), call=name)

    def _served(self, call: str, item: Object) -> Acted:
        server, tool = text(item, "server"), text(item, "tool")
        given = item.get("arguments")
        detail = json.dumps(given, ensure_ascii=False, default=str) if given else ""
        name = "massgen" if server == self.ours else server
        return Acted(f"{name} {tool}".strip() or "tool", "", detail, call)

    def _planned(self, call: str, item: Object) -> Iterator[Acted]:
        lines = [
            f"[{'x' if step.get('completed') is True else ' '}] {text(step, 'text')}"
            for step in objects(item.get("items"))
        ]
        if lines:
            yield Acted("think", "plan", "\n".join(lines), call)


def bare(command: str) -> str:
    """A command line without the shell that it is wrapped in."""
    if not _SHELL.match(command):
        return command
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    return words[2] if len(words) == 3 else command


def _spent(told: Object) -> Usage:
    cached, stored = count(told, "cached_input_tokens"), count(told, "cache_write_input_tokens")
    return Usage(
        input=max(0, count(told, "input_tokens") - cached - stored),
        cached=cached,
        stored=stored,
        output=count(told, "output_tokens"),
    )
