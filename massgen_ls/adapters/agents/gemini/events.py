"""What Gemini CLI prints as ``stream-json``, as news. No I/O, and nothing raises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from massgen_ls.adapters.agents.attempt.settings import from_top
from massgen_ls.adapters.agents.program.members import Object, count, inner, text
from massgen_ls.adapters.agents.program.speech import Saying
from massgen_ls.core.budget import Usage
from massgen_ls.ports import Acted, AgentNews, Returned, Said, Spoke, Used

_ACTIONS = {
    "read_file": "read", "read_many_files": "read", "list_directory": "read",
    "replace": "edit", "write_file": "write", "run_shell_command": "run", "glob": "search",
    "grep_search": "search", "search_file_content": "search", "google_web_search": "search",
    "web_fetch": "fetch",
}  # fmt: skip
_TARGETS = (
    "file_path",
    "absolute_path",
    "path",
    "dir_path",
    "command",
    "pattern",
    "query",
    "prompt",
)
_DETAILS = ("content", "new_string")
_SUMMARY = 2000
_MOST = 20
"""Errors that are kept."""


@dataclass(slots=True)
class Told:
    """One run of the program.

    Args:
        top: The worktree; paths in it are told relative to it.
        before: What earlier runs of the attempt have spent.
    """

    top: str
    before: Usage = field(default_factory=Usage)
    usage: Usage = field(default_factory=Usage)
    session: str = ""
    result: Object | None = None
    """The last event, where it came."""
    errors: list[str] = field(default_factory=list[str])
    last: str = ""
    acted: bool = False
    _saying: Saying = field(default_factory=Saying)

    def heard(self, event: Object) -> list[AgentNews]:
        """News of one line."""
        return list(self._heard(event))

    def flush(self) -> list[AgentNews]:
        """What was said piece by piece, as a whole."""
        whole = self._saying.whole().strip()
        if not whole:
            return []
        self.last = whole
        return [Spoke(whole)]

    @property
    def summary(self) -> str:
        """The agent's last words, short enough."""
        return self.last if len(self.last) <= _SUMMARY else f"{self.last[:_SUMMARY]}…"

    def _heard(self, event: Object) -> Iterator[AgentNews]:
        match event.get("type"):
            case "init":
                self.session = text(event, "session_id")
            case "message":
                words = text(event, "content")
                if event.get("role") == "assistant" and words:
                    self._saying.add(words)
                    yield Said(words)
            case "tool_use":
                yield from self.flush()
                self.acted = True
                yield self._used(event)
            case "tool_result":
                yield from self.flush()
                words = text(event, "output") or text(inner(event, "error"), "message")
                ok = event.get("status") == "success"
                yield Returned(text(event, "tool_id"), words, ok=ok)
            case "error":
                if event.get("severity") == "error" and len(self.errors) < _MOST:
                    self.errors.append(text(event, "message"))
                yield Said(f"[{text(event, 'message')}]\n", "stderr")
            case "result":
                yield from self.flush()
                self.result = event
                stats = inner(event, "stats")
                cached = count(stats, "cached")
                self.usage = self.before + Usage(
                    input=max(0, count(stats, "input_tokens") - cached),
                    cached=cached,
                    output=count(stats, "output_tokens"),
                )
                yield Used(self.usage)
            case _:
                pass

    def _used(self, event: Object) -> Acted:
        name = text(event, "tool_name")
        given = inner(event, "parameters")
        action = _ACTIONS.get(name, name or "tool")
        target = next((value for key in _TARGETS if (value := text(given, key))), "")
        detail = next((value for key in _DETAILS if (value := text(given, key))), "")
        if not target and not detail and given:
            detail = json.dumps(dict(given), ensure_ascii=False, default=str)
        if action in {"read", "edit", "write"}:
            target = from_top(target, self.top)
        return Acted(action, target, detail, text(event, "tool_id"))
