"""What a place means: for the pointer that rests on it, and where an include leads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from massgen_ls.config.assist import known
from massgen_ls.config.assist.place import place
from massgen_ls.config.document import Scan, part, scan
from massgen_ls.config.lines import Lines
from massgen_ls.config.massgen.report import Kind
from massgen_ls.config.problems import Where, shown_path


@dataclass(frozen=True, slots=True)
class Explained:
    """A text for people, in Markdown, and what it is about."""

    text: str
    start: int
    end: int
    where: Where = ()


def explain(text: str, cursor: int, file: PurePath, kind: Kind = "massgen-ls") -> Explained | None:
    """What the key or value at a place means. Never raises.

    Args:
        text: The whole, right or not.
        cursor: An offset in it.
        file: Its path, for the language.
        kind: Whose file it is.
    """
    if kind == "massgen":
        from massgen_ls.config.assist import foreign as source
    else:
        source = known
    try:
        shape = place(text, cursor, file)
        body = shape.root.plain()
    except RecursionError:  # nested as nothing of ours ever is
        return None
    for spot in shape.spots:
        if spot.role == "key":
            if spot.own is None or spot.own.part is None:
                continue
            where = (*spot.node.where, spot.own.part)
        else:
            where = spot.node.where
        while where and isinstance(where[-1], int):
            where = where[:-1]
        key = source.key(body, where)
        if key is None or spot.start == spot.end:
            continue
        lines = [f"**{shown_path(where)}**: {key.kind}", key.documentation]
        if key.default:
            lines.append(f"Default: `{key.default}`.")
        words = source.values(body, where)
        if spot.role == "value":
            lines += [
                f"`{word.text}`: {word.documentation}"
                for word in words
                if word.text == spot.node.text and word.documentation != key.documentation
            ]
        elif words and where[-1] != "type":
            lines.append("One of: " + ", ".join(f"`{word.text}`" for word in words))
        return Explained("\n\n".join(filter(None, lines)), spot.start, spot.end, where)
    return None


@dataclass(frozen=True, slots=True)
class Include:
    """A file that is named by another one."""

    start: int
    end: int
    target: Path


def includes(text: str, file: Path, read: Scan = scan) -> Iterator[Include]:
    """The files that a configuration includes, as far as they are there."""
    if "include" not in text:
        return
    document, lines = part(text, file, read), Lines(text)
    for where, value in document.leaves():
        if where[:1] != ("include",) or not isinstance(value, str):
            continue
        try:
            target = (file.parent / value).resolve()
        except (OSError, ValueError, RuntimeError):  # a name that can be none, a ring of links
            continue
        if os.path.isfile(target) and where in document.values:
            span = document.values[where]
            yield Include(lines.offset(*span[:2]), lines.offset(*span[2:]), target)
