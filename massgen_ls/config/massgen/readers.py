"""Values that have to be looked into: names, keys, paths, tools, commands.

No reader repeats a value that could be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from massgen_ls.config.backends import BACKENDS, NOT_BUILT
from massgen_ls.config.document import Where, leaves
from massgen_ls.config.massgen.rules import Entry, Scene
from massgen_ls.core.secrets import like_secret

LEVELS = ("lenient", "balanced", "strict")
"""Of votes and of novelty."""

WORKTREES = "agents work in git worktrees of their own, which are kept in the cache of massgen-ls"

_OTHER_LEVELS = (
    "roi", "roi_conservative", "roi_balanced", "roi_aggressive", "sequential", "adversarial",
    "consistency", "diversity", "reflective", "checklist", "checklist_scored", "checklist_gated",
)  # fmt: skip
_OURS_ALONE = frozenset({"command", "acp"})
TYPES = (
    *(kind for kind in BACKENDS if kind not in _OURS_ALONE),
    *(kind for kinds in NOT_BUILT.values() for kind in kinds if kind not in BACKENDS),
)
"""Every ``backend.type`` of MassGen."""

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_NO_KEYS = frozenset({"", "empty", "none", "null", "dummy", "not-needed", "lm-studio", "fake"})
"""What people write where a server asks for no key."""


def read_type(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """The kind of a backend."""
    if not isinstance(value, str):
        yield Entry("errors", where, "the type of a backend is a word", "For example claude_code")
        return
    if value not in TYPES:
        near = nearest(value, TYPES)
        yield Entry(
            "errors",
            where,
            f"MassGen has no backend {value[:60]!r}",
            f"Did you mean {near!r}?" if near else f"There are: {', '.join(TYPES)}",
        )
        return
    part = next((part for part, kinds in NOT_BUILT.items() if value in kinds), None)
    then = f"it needs the drivers for {part}, which this version does not have: a run says so"
    yield Entry("mapped", where, "is kept", then if part else "", "@backend.type", value)


def read_id(value: Any, where: Where, scene: Scene) -> Iterator[Entry]:
    """An agent's name."""
    name = scene.names.get(where, "")
    if not isinstance(value, str) or not value.strip():
        yield Entry("errors", where, "the id of an agent is a word", 'For example id: "fixer"')
    elif name is None:
        yield Entry("errors", where, f"two agents are called {value[:60]!r}", "Call one otherwise")
    else:
        about = "is kept" if name == value else f"the agent is called {name!r} here"
        yield Entry("mapped", where, about, "", "@id", name)


def read_api_key(value: Any, where: Where, scene: Scene) -> Iterator[Entry]:
    """A key: only the name of a variable may stand in a file."""
    program = (
        scene.backend in BACKENDS and "api_key_env" not in BACKENDS[scene.backend].model_fields
    )
    if not isinstance(value, str):
        yield from _shape(value, where, "is no text", "Write ${NAME_OF_THE_VARIABLE}")
    elif found := _VARIABLE.fullmatch(value.strip()):
        if program:
            yield Entry(
                "mapped", where, "the variable is handed on", "", "@backend.env", [found[1]]
            )
        else:
            about = "the variable's name is kept"
            yield Entry("mapped", where, about, "", "@backend.api_key_env", found[1])
    elif value.strip().lower() in _NO_KEYS or value.lower().startswith("your"):
        yield Entry("ignored", where, "it is no key, but a word in its place")
    else:
        yield Entry(
            "refused",
            where,
            "a key stands in the file, where everybody who gets the file reads it",
            "Make a new key, put it into an environment variable and write api_key: ${ITS_NAME}",
        )


def read_env(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """Variables of an agent's program."""
    if not isinstance(value, dict):
        yield from _shape(value, where, "is no mapping", "Write NAME: ${NAME} for each variable")
        return
    for name, given in cast("dict[str, Any]", value).items():
        there = (*where, name)
        found = _VARIABLE.fullmatch(given.strip()) if isinstance(given, str) else None
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield from _shape(given, there, "is no name of a variable", "Use letters and digits")
        elif found and found[1] == name:
            yield Entry("mapped", there, "the variable is handed on", "", "@backend.env", [name])
        elif found is None and like_secret(name) and given:
            advice = f"Set {name} in your environment and write {name}: ${{{name}}}"
            yield from _all("refused", there, given, "a secret seems to stand in the file", advice)
        else:
            about = "no values of variables are kept in a configuration, but names"
            advice = f"Set {name} in your environment and put its name under `env`"
            yield from _all("ignored", there, given, about, advice)


def read_cwd(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """An agent's working folder."""
    if not isinstance(value, str):
        yield from _shape(value, where, "is no path", "Take it out: agents get worktrees")
    elif elsewhere(value):
        yield Entry(
            "refused",
            where,
            "the agent shall work in a folder elsewhere; here it works on the folder that is open",
            "Open that folder (or give it as --repo), and take `cwd` out",
        )
    else:
        yield Entry("ignored", where, WORKTREES)


def read_sensitivity(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """How easily an agent votes for what is there."""
    if value in LEVELS:
        yield Entry("mapped", where, "", "", "orchestrator.voting_sensitivity", value)
    elif value in _OTHER_LEVELS:
        about = "votes have three levels here; what counts more is said by checks"
        yield Entry("ignored", where, about, f"Write one of: {', '.join(LEVELS)}")
    else:
        near = nearest(value, (*LEVELS, *_OTHER_LEVELS)) if isinstance(value, str) else None
        yield Entry(
            "errors",
            where,
            "MassGen knows no such level",
            f"Did you mean {near!r}?" if near else f"Write one of: {', '.join(LEVELS)}",
        )


def read_context_paths(value: Any, where: Where, _: Scene) -> Iterator[Entry]:
    """Folders that agents see or write."""
    if not isinstance(value, list):
        yield from _shape(value, where, "is no list", "Write - {path: src, permission: write}")
        return
    if not value:
        yield Entry("ignored", where, "the list is empty")
    for i, item in enumerate(cast("list[Any]", value)):
        given: dict[str, Any] = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        there = (*where, i)
        path = given.get("path") if given else cast("Any", item)
        if not isinstance(path, str):
            yield from _all(
                "errors", there, item, "the path is missing", "Write {path: src, permission: read}"
            )
            continue
        if given.get("permission") not in (None, "read", "write"):
            here = (*there, "permission")
            yield from _all("errors", here, given["permission"], "is neither read nor write", "")
            given = {k: v for k, v in given.items() if k != "permission"}
        yield from _context_path(path, given, there)


def _context_path(path: str, given: dict[str, Any], where: Where) -> Iterator[Entry]:
    outside = elsewhere(path)
    paths = {key: given[key] for key in given if key != "protected_paths"} or None
    at = where if paths is None else None
    if outside and given.get("permission") == "write":
        fate, about = "refused", "agents shall write outside of the folder that is open"
        advice = "Open that folder (or give it as --repo), and take this path out"
    elif outside:
        fate, about = "ignored", "agents are given nothing from outside of the folder that is open"
        advice = "Put what they need into the folder"
    elif given.get("permission") == "write":
        fate, about, advice = "mapped", "agents change copies of it, and you take the best", ""
    else:
        fate, about, advice = "mapped", "it is part of the snapshot that every agent gets", ""
    for leaf, _ in leaves(paths, where) if at is None else [(at, None)]:
        yield Entry(fate, leaf, about, advice)  # pyright: ignore[reportArgumentType] # one of four
    for leaf, name in leaves(given.get("protected_paths", {}), (*where, "protected_paths")):
        if "protected_paths" not in given:
            break
        if not isinstance(name, str):
            if isinstance(name, list) and not name:
                yield Entry("ignored", leaf, "the list is empty")
            else:
                yield Entry("errors", leaf, "is no path", "Write the path of a file or folder")
            continue
        inside = "" if path.strip("./") == "" else path.removeprefix("./").rstrip("/") + "/"
        kept = inside + name.removeprefix("./").rstrip("/")
        yield Entry("mapped", leaf, "no agent may change it", "", "*permissions.deny", _edits(kept))


def _edits(path: str) -> list[str]:
    return [f"edit:{path}", f"edit:{path}/*"]


def elsewhere(path: str) -> bool:
    """Whether a path leads out of the folder that it is relative to."""
    parts = path.replace("\\", "/").split("/")
    return (
        path.startswith(("/", "~", "\\"))
        or ".." in parts
        or re.match("[A-Za-z]:", path) is not None
    )


def nearest(word: str, known: tuple[str, ...] | list[str]) -> str | None:
    """The known word that is most like it, if one is."""
    from rapidfuzz import fuzz, process

    found = process.extractOne(word[:100], known, scorer=fuzz.ratio, score_cutoff=78)
    return found[0] if found else None


def _shape(value: Any, where: Where, about: str, advice: str) -> Iterator[Entry]:
    yield from _all("errors", where, value, about, advice)


def _all(fate: Any, where: Where, value: Any, about: str, advice: str) -> Iterator[Entry]:
    for leaf, _ in leaves(value, where):
        yield Entry(fate, leaf, about, advice)
