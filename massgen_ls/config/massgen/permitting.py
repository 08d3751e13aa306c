"""MassGen's ways to say what an agent may do → our `permissions`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from massgen_ls.config.document import Where, leaves
from massgen_ls.config.massgen.rules import Entry, Scene

_TOOLS = {
    **dict.fromkeys(("Read", "LS", "Glob", "Grep", "NotebookRead"), "read"),
    **dict.fromkeys(("Write", "Edit", "MultiEdit", "NotebookEdit"), "edit"),
    **dict.fromkeys(("Bash", "BashOutput", "KillBash", "KillShell"), "run"),
    **dict.fromkeys(("WebSearch", "WebFetch"), "fetch"),
}
"""Claude Code's tools by our kinds."""
_WHOLE_KIND = {"read": {"Read"}, "edit": {"Write", "Edit"}, "run": {"Bash"}, "fetch": set[str]()}
"""The tools that must all be denied before a whole kind is."""
_WITH_ARGUMENT = re.compile(r"(\w+)\((.+)\)", re.DOTALL)
_ACTIONS = {
    "command": "run", "read_file": "read", "write_file": "edit", "read_url": "fetch", "*": "*",
}  # fmt: skip
_REGEX = re.compile(r"[\[\](){}|+?\\^$*]")


def read_tools_allowed(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """Names of tools that need no question."""
    yield from _tools(value, where, "allow")


def read_tools_denied(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """Names of tools that may not be used."""
    yield from _tools(value, where, "deny")


def _tools(value: Any, where: Where, word: str) -> Iterator[Entry]:
    if not isinstance(value, list):
        yield from _wrong(value, where, "is no list", "Write a list of names, for example [Read]")
        return
    given = cast("list[Any]", value)
    if not given:
        yield Entry("ignored", where, "the list is empty")
    named = {item for item in given if isinstance(item, str)}
    for i, item in enumerate(given):
        there = (*where, i)
        if not isinstance(item, str):
            yield from _wrong(item, there, "is no name of a tool", "For example Read")
            continue
        pattern = _tool(item)
        if pattern is None:
            yield Entry("ignored", there, "agents have no such tool here")
        elif word == "deny" and ":" not in pattern and not _WHOLE_KIND[pattern] <= named:
            about = f"other tools that {pattern} stay, so this one alone cannot be taken away"
            yield Entry("ignored", there, about, f"To deny all: permissions: {{deny: [{pattern}]}}")
        else:
            about = f"becomes `{word}: {pattern}`"
            yield Entry("mapped", there, about, "", f"@permissions.{word}", [pattern])


def _tool(name: str) -> str | None:
    found = _WITH_ARGUMENT.fullmatch(name.strip())
    kind = _TOOLS.get(found[1] if found else name.strip())
    if kind is None or found is None:
        return kind
    # `Bash(git push:*)` is everything that begins with `git push`.
    glob = found[2].strip().replace(":*", "*").removeprefix("domain:").removeprefix("./")
    return f"{kind}:*{glob}*" if kind == "fetch" else f"{kind}:{glob}"


def read_rule_allow(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """A rule such as ``command(git status)`` that needs no question."""
    yield from _rule(value, where, "allow", "")


def read_rule_deny(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """A rule for what may not be done."""
    yield from _rule(value, where, "deny", "")


def read_rule_ask(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """A rule for what a person is asked about: there may be none, so it is denied."""
    yield from _rule(
        value, where, "deny", "Nothing is asked for by a pattern here, so it is denied"
    )


def _rule(value: Any, where: Where, word: str, advice: str) -> Iterator[Entry]:
    found = (
        re.fullmatch(r"\s*([\w*]+)\s*(?:\((.*)\))?\s*", value) if isinstance(value, str) else None
    )
    if found is None:
        yield from _wrong(value, where, "is no rule", "For example command(git push*)")
        return
    kind = _ACTIONS.get(found[1])
    if kind is None:
        yield Entry("ignored", where, "agents have no such tool here")
        return
    glob = (found[2] or "").strip().removeprefix("./")
    pattern = kind if glob in {"", "*", "**"} else f"{kind}:{glob}"
    about = f"becomes `{word}: {pattern}`"
    yield Entry("mapped", where, about, advice, f"@permissions.{word}", [pattern])


def read_commands_denied(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """Expressions for commands that may not be run."""
    for there, item, glob in _commands(value, where):
        if isinstance(item, Entry):
            yield item
        elif glob is None:
            yield Entry(
                "refused",
                there,
                "commands shall be blocked by an expression that our patterns cannot say",
                'Write patterns under `permissions`: {deny: ["run:git push*"]}',
            )
        else:
            about = f"becomes `deny: run:{glob}`"
            yield Entry("mapped", there, about, "", "@permissions.deny", [f"run:{glob}"])


def read_commands_allowed(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """Expressions for the only commands that may be run."""
    first = True
    for there, item, glob in _commands(value, where):
        if isinstance(item, Entry):
            yield item
        elif glob is None:
            about = "no pattern of ours says this expression; such commands need your word"
            yield Entry("ignored", there, about, 'Write patterns: {allow: ["run:pytest *"]}')
        else:
            about = f"becomes `allow: run:{glob}`; other commands need your word"
            allowed = ["read", "edit"] if first else []
            first = False
            rules = {"mode": "ask", "allow": [*allowed, f"run:{glob}"]}
            yield Entry("mapped", there, about, "", "@permissions", rules)


def _commands(value: Any, where: Where) -> Iterator[tuple[Where, object, str | None]]:
    if not isinstance(value, list):
        for entry in _wrong(value, where, "is no list", 'For example ["git push.*"]'):
            yield entry.where, entry, None
        return
    given = cast("list[Any]", value)
    if not given:
        yield where, Entry("ignored", where, "the list is empty"), None
    for i, item in enumerate(given):
        there = (*where, i)
        if isinstance(item, str):
            yield there, item, _glob(item)
        else:
            for entry in _wrong(item, there, "is no expression", 'For example "git push.*"'):
                yield entry.where, entry, None


def _glob(expression: str) -> str | None:
    r"""``git push.*`` → ``git push*``; None for an expression that no glob says."""
    begun = expression.strip().removeprefix("^").removesuffix("$")
    for said, glob in ((r"\s+", " "), (r"\s*", "\0"), (r"\b", ""), (r"\.", "."), (r"\-", "-")):
        begun = begun.replace(said, glob)
    begun = begun.replace(".*", "\0").replace(".+", "\0")
    if not begun.strip("\0 ") or _REGEX.search(begun):
        return None
    # MassGen matches the beginning of the command.
    return re.sub("\0+", "*", begun if begun.endswith("\0") else begun + "\0")


def _wrong(value: Any, where: Where, about: str, advice: str) -> Iterator[Entry]:
    for leaf, _ in leaves(value, where):
        yield Entry("errors", leaf, about, advice)
