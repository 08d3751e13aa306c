"""A recorded case on disk: a folder with ``instance.json`` and patch files beside it.

::

    {"id": "…", "repo": "…", "base_commit": "…", "prompt": "…",
     "checks": [{"name": "…", "argv": ["…"], "timeout": 300}],
     "candidates": [{"name": "…", "patch": "….patch", "resolved": true}]}

``repo`` is a repository, bare or not, relative to the folder or absolute. ``timeout`` (seconds) and
``name`` of a check may be left out. Other keys are left alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from massgen_ls.core.task import CheckSpec

INSTANCE = "instance.json"
_PARSERS = ("auto", "exit", "junit", "lines")


class BadCaseError(Exception):
    """A case that cannot be measured; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One candidate."""

    name: str
    patch: Path
    """Its file, which may be missing: then its agent made nothing."""
    resolved: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A task with candidates of which is known whether they solve it."""

    id: str
    folder: Path
    repo: Path
    base: str
    prompt: str
    checks: tuple[CheckSpec, ...]
    candidates: tuple[Recorded, ...]


def case_folders(top: Path) -> tuple[Path, ...]:
    """The cases of a folder: itself, or those right below it, in the order of their names.

    A folder with patches and no ``instance.json`` counts as one too, for its error to be told.
    Reads the disk.
    """
    if (top / INSTANCE).is_file():
        return (top,)
    below = sorted(entry for entry in top.iterdir() if entry.is_dir())
    return tuple(f for f in below if (f / INSTANCE).is_file() or any(f.glob("*.patch")))


def read_case(folder: Path) -> Case:
    """Reads one case.

    Raises:
        BadCaseError: It is not of the form above.
    """
    file = folder / INSTANCE
    try:
        body: object = json.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise BadCaseError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise BadCaseError(f"{file} is not JSON: {error}") from error
    given = _mapping(body, "the file")
    candidates = tuple(_candidates(folder, _list(given, "candidates")))
    if not candidates:
        raise BadCaseError("it has no candidates to choose from")
    repo = _text(given, "repo")
    return Case(
        id=str(given.get("id") or folder.name),
        folder=folder,
        repo=folder / repo,
        base=_text(given, "base_commit"),
        prompt=str(given.get("prompt") or "").strip() or "(the case has no prompt)",
        checks=tuple(_checks(_list(given, "checks"))),
        candidates=candidates,
    )


def _checks(listed: Sequence[object]) -> Iterator[CheckSpec]:
    names: set[str] = set()
    for number, item in enumerate(listed, 1):
        where = f"checks[{number - 1}]"
        given = _mapping(item, where)
        argv = given.get("argv")
        words = cast("list[object]", argv) if isinstance(argv, list) else []
        if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
            raise BadCaseError(f"{where}.argv is not a list of words")
        timeout = given.get("timeout")
        if timeout is None:
            timeout = 300.0
        if not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
            raise BadCaseError(f"{where}.timeout is not a number of seconds above 0")
        parser = given.get("parser", "auto")
        if parser not in _PARSERS:
            raise BadCaseError(f"{where}.parser is none of {', '.join(_PARSERS)}")
        name = _unique(str(given.get("name") or f"check-{number}"), names)
        yield CheckSpec(name, tuple(map(str, words)), float(timeout), str(parser))


def _candidates(folder: Path, listed: Sequence[object]) -> Iterator[Recorded]:
    names: set[str] = set()
    for number, item in enumerate(listed, 1):
        where = f"candidates[{number - 1}]"
        given = _mapping(item, where)
        resolved = given.get("resolved")
        if not isinstance(resolved, bool):
            raise BadCaseError(f"{where}.resolved is neither true nor false")
        name = _unique(str(given.get("name") or f"candidate-{number}"), names)
        yield Recorded(name, folder / _text(given, "patch", f"{where}."), resolved)


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    taken.add(found)
    return found


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadCaseError(f"{where} is not an object with keys and values")
    return cast("dict[str, object]", value)


def _list(given: Mapping[str, object], key: str) -> Sequence[object]:
    value = given.get(key)
    if not isinstance(value, list):
        raise BadCaseError(f"`{key}` is missing or no list")
    return cast("list[object]", value)


def _text(given: Mapping[str, object], key: str, where: str = "") -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise BadCaseError(f"`{where}{key}` is missing or no text")
    return value
