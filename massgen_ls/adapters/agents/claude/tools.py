"""Claude Code's tools in our words: what is told of a use, and what its use asks leave for."""

from __future__ import annotations

import json
from collections.abc import Callable

from massgen_ls.adapters.agents.program.members import Object, text
from massgen_ls.core.permissions import ActionKind
from massgen_ls.ports import Acted

TOOLS = (
    "Bash", "Read", "Edit", "Write", "NotebookEdit", "Glob", "Grep", "WebFetch", "WebSearch",
    "Task", "TodoWrite", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate",
)  # fmt: skip
"""What an agent of ours gets. A version that lacks one of them passes over its name. The rest of
its own would wait for a person, start later than our run, or make worktrees beside ours."""
ASKED = ("Bash", "Read", "Edit", "Write", "NotebookEdit", "Glob", "Grep", "WebFetch", "WebSearch")
"""Tools whose every use is put before us when we decide: by itself it lets pass what it takes for
harmless."""
STRUCTURED = "StructuredOutput"
"""The tool through which it answers by a schema: no action, but the answer."""
_DETAIL = 32 * 1024

Shown = Callable[[str], str]
"""A path, as it is shown."""


def acted(tool: str, given: Object, call: str, shown: Shown) -> Acted:
    """A use of a tool as news."""
    action, target, detail = _told(tool, given, shown)
    return Acted(action, target, detail[:_DETAIL], call)


def _told(tool: str, given: Object, shown: Shown) -> tuple[str, str, str]:
    match tool:
        case "Bash":
            return "run", text(given, "command"), ""
        case "Read":
            return "read", shown(_path(given)), ""
        case "Edit" | "MultiEdit" | "NotebookEdit":
            new = text(given, "new_string") or text(given, "new_source")
            return "edit", shown(_path(given)), new
        case "Write":
            return "write", shown(_path(given)), text(given, "content")
        case "Glob" | "Grep":
            return "search", text(given, "pattern"), shown(text(given, "path"))
        case "WebFetch":
            return "fetch", text(given, "url"), text(given, "prompt")
        case "WebSearch":
            return "search", text(given, "query"), ""
        case "Task" | "Agent":
            return tool, text(given, "description"), text(given, "prompt")
        case _:
            return _own(tool), "", as_json(given) if given else ""


def _own(tool: str) -> str:
    """``mcp__massgen__vote`` is ``massgen vote``; other names stay."""
    kind, _, rest = tool.partition("__")
    server, between, name = rest.partition("__")
    return f"{server} {name}" if kind == "mcp" and between else tool


def wanted(tool: str, given: Object) -> tuple[ActionKind, str, str]:
    """What a use asks leave for: its kind, its target, and the path of it where it is about one."""
    match tool:
        case "Bash":
            return "run", text(given, "command"), ""
        case "Read" | "Glob" | "Grep":
            path = _path(given) or text(given, "path") or "."
            return "read", path, path
        case "Edit" | "MultiEdit" | "NotebookEdit" | "Write":
            path = _path(given)
            return "edit", path, path
        case "WebFetch":
            return "fetch", text(given, "url"), ""
        case "WebSearch":
            return "fetch", text(given, "query"), ""
        case _:
            return "other", _own(tool), ""


def _path(given: Object) -> str:
    return text(given, "file_path") or text(given, "notebook_path")


def as_json(value: object) -> str:
    """A value of JSON as text; empty for what is none."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""
