"""Task comments: ``# massgen: do this``, in the language's own comment syntax. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from massgen_ls.core.text import split_lines

_MARK = re.compile(r"massgen\s*:\s*(?P<wish>.*)$", re.IGNORECASE)
_LONGEST = 50
"""Lines that one task comment may have."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How a language writes comments."""

    line: tuple[str, ...] = ()
    block: tuple[tuple[str, str], ...] = ()


_HASH = Syntax(("#",))
_C = Syntax(("//",), (("/*", "*/"),))
_MARKUP = Syntax((), (("<!--", "-->"),))
_LISP = Syntax((";",))
_DASH = Syntax(("--",))

_FAMILIES: tuple[tuple[Syntax, str], ...] = (
    (
        _HASH,
        "python shellscript sh bash zsh fish ruby perl r elixir yaml toml makefile dockerfile "
        "cmake nim crystal tcl awk gdscript ignore properties gitconfig starlark bazel just",
    ),
    (
        _C,
        "javascript javascriptreact typescript typescriptreact c cpp objective-c objective- "
        "cpp csharp java kotlin scala go rust swift dart groovy solidity zig json5 jsonc "
        "proto proto3 scss less cuda-cpp glsl hlsl verilog systemverilog vala d",
    ),
    (
        _MARKUP,
        "html xml markdown vue svelte xsl svg",
    ),
    (
        _LISP,
        "lisp commonlisp clojure scheme racket elisp emacs-lisp ini asm",
    ),
    (
        _DASH,
        "ada vhdl elm",
    ),
)
_LANGUAGES: dict[str, Syntax] = {
    **{name: syntax for syntax, names in _FAMILIES for name in names.split()},
    "css": Syntax((), (("/*", "*/"),)),
    "php": Syntax(("//", "#"), (("/*", "*/"),)),
    "terraform": Syntax(("#", "//"), (("/*", "*/"),)),
    "nix": Syntax(("#",), (("/*", "*/"),)),
    "julia": Syntax(("#",), (("#=", "=#"),)),
    "powershell": Syntax(("#",), (("<#", "#>"),)),
    "coffeescript": Syntax(("#",), (("###", "###"),)),
    "sql": Syntax(("--",), (("/*", "*/"),)),
    "lua": Syntax(("--",), (("--[[", "]]"),)),
    "haskell": Syntax(("--",), (("{-", "-}"),)),
    "purescript": Syntax(("--",), (("{-", "-}"),)),
    "ocaml": Syntax((), (("(*", "*)"),)),
    "fsharp": Syntax(("//",), (("(*", "*)"),)),
    "pascal": Syntax(("//",), (("{", "}"), ("(*", "*)"))),
    "erlang": Syntax(("%",)),
    "prolog": Syntax(("%",), (("/*", "*/"),)),
    "latex": Syntax(("%",)),
    "tex": Syntax(("%",)),
    "matlab": Syntax(("%",), (("%{", "%}"),)),
    "vim": Syntax(('"',)),
    "bat": Syntax(("REM ", "rem ", "::")),
    "vb": Syntax(("'",)),
    "fortran": Syntax(("!",)),
    "restructuredtext": Syntax(("..",)),
}

_BY_SUFFIX: dict[str, str] = {
    "py": "python", "pyi": "python", "pyx": "python", "sh": "sh", "rb": "ruby", "pl": "perl",
    "pm": "perl", "r": "r", "ex": "elixir", "exs": "elixir", "yml": "yaml", "yaml": "yaml",
    "toml": "toml", "mk": "makefile", "cmake": "cmake", "nim": "nim", "bzl": "starlark",
    "js": "javascript", "mjs": "javascript", "cjs": "javascript", "jsx": "javascript",
    "ts": "typescript", "tsx": "typescript", "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp",
    "hpp": "cpp", "cxx": "cpp", "m": "objective-c", "cs": "csharp", "java": "java",
    "kt": "kotlin", "kts": "kotlin", "scala": "scala", "go": "go", "rs": "rust",
    "swift": "swift", "dart": "dart", "groovy": "groovy", "gradle": "groovy", "zig": "zig",
    "sol": "solidity", "proto": "proto", "scss": "scss", "less": "less", "css": "css",
    "html": "html", "htm": "html", "xml": "xml", "md": "markdown", "vue": "vue",
    "svelte": "svelte", "lisp": "lisp", "clj": "clojure", "cljs": "clojure", "scm": "scheme",
    "rkt": "racket", "el": "elisp", "ini": "ini", "php": "php", "tf": "terraform", "nix": "nix",
    "jl": "julia", "ps1": "powershell", "coffee": "coffeescript", "sql": "sql", "lua": "lua",
    "hs": "haskell", "purs": "purescript", "ml": "ocaml", "mli": "ocaml", "fs": "fsharp",
    "pas": "pascal", "erl": "erlang", "tex": "latex", "vim": "vim", "bat": "bat", "cmd": "bat",
    "vb": "vb", "f90": "fortran", "rst": "restructuredtext", "elm": "elm", "adb": "ada",
    "ads": "ada", "vhd": "vhdl",
}  # fmt: skip
_BY_NAME = {"makefile": "makefile", "dockerfile": "dockerfile", "justfile": "just"}


@dataclass(frozen=True, slots=True)
class TaskComment:
    """A wish that is written in the code. Lines 0-based, ``last`` inclusive."""

    first: int
    last: int
    wish: str


def syntax_of(language: str, path: str) -> Syntax:
    """How comments look here, by the editor's language id, else by the file's name."""
    known = _LANGUAGES.get(language.lower())
    if known is None:
        name = os.path.basename(path).lower()
        suffix = name.rpartition(".")[2]
        known = _LANGUAGES.get(_BY_NAME.get(name) or _BY_SUFFIX.get(suffix, ""))
    return known or Syntax(("#", "//"), (("/*", "*/"),))


def find_task(text: str, line: int, language: str, path: str) -> TaskComment | None:
    """The task comment that a line belongs to: its first line or one that continues it.

    Looks at some lines around the place alone, however long the text is.
    """
    if "massgen" not in text and "massgen" not in text.lower():
        return None
    lines = split_lines(text)
    if not 0 <= line < len(lines):
        return None
    syntax = syntax_of(language, path)
    for first in range(line, max(-1, line - _LONGEST), -1):
        task = _line_task(lines, first, syntax) or _block_task(lines, first, syntax)
        if task is not None:
            return task if task.last >= line else None
    return None


def find_tasks(text: str, language: str, path: str) -> list[TaskComment]:
    """Every task comment of a text, from its top."""
    if "massgen" not in text and "massgen" not in text.lower():
        return []
    lines, syntax = split_lines(text), syntax_of(language, path)
    found: list[TaskComment] = []
    for first, line in enumerate(lines):
        if "massgen" in line.lower():
            task = _line_task(lines, first, syntax) or _block_task(lines, first, syntax)
            if task is not None:
                found.append(task)
    return found


def _line_task(lines: Sequence[str], first: int, syntax: Syntax) -> TaskComment | None:
    for mark in syntax.line:
        where = _mark_at(lines[first], mark)
        if where is None:
            continue
        column, found = where
        words = [found]
        last = first
        # Later comment lines at the same place go on with the wish.
        for follower in lines[first + 1 : first + _LONGEST]:
            rest = follower.strip()
            indent = len(follower) - len(follower.lstrip())
            if not rest.startswith(mark) or (
                not lines[first][:column].strip() and indent != column
            ):
                break
            body = rest.lstrip(mark[0]).strip() if len(mark) == 1 else rest[len(mark) :].strip()
            if not body or _MARK.match(body):
                break
            words.append(body)
            last += 1
        wish = " ".join(word for word in words if word).strip()
        return TaskComment(first, last, wish) if wish else None
    return None


def _mark_at(line: str, mark: str) -> tuple[int, str] | None:
    """Column of the comment and the words behind ``massgen:``."""
    at = line.find(mark)
    while at >= 0:
        body = line[at + len(mark) :].lstrip(mark[-1] + "!/* \t")
        found = _MARK.match(body.rstrip("\r\n"))
        if found:
            return at, found["wish"].strip()
        at = line.find(mark, at + 1)
    return None


def _block_task(lines: Sequence[str], first: int, syntax: Syntax) -> TaskComment | None:
    for start, end in syntax.block:
        found = _MARK.search(lines[first].rstrip("\r\n"))
        if found is None or not _in_block(lines, first, found.start(), start, end):
            continue
        words: list[str] = []
        last = first
        piece = str(found["wish"])
        while True:
            body, closed, _ = piece.partition(end)
            words.append(body.strip().lstrip("*").strip() if last > first else body.strip())
            if closed or last + 1 >= len(lines) or last - first >= _LONGEST:
                break
            last += 1
            piece = str(lines[last]).rstrip("\r\n")
        wish = " ".join(word for word in words if word)
        return TaskComment(first, last, wish) if wish else None
    return None


def _in_block(lines: Sequence[str], line: int, column: int, start: str, end: str) -> bool:
    """Whether the words stand first in a block comment: on its first line or below it."""
    before = lines[line][:column]
    opened = before.rfind(start)
    if opened >= 0:
        return end not in before[opened + len(start) :] and not before[opened + len(start) :].strip(
            " \t*!"
        )
    if before.strip(" \t*"):
        return False
    for number in range(line - 1, max(-1, line - _LONGEST), -1):
        opened, closed = lines[number].rfind(start), lines[number].rfind(end)
        if opened >= 0 and (start == end or opened > closed or closed < 0):
            return True
        if closed >= 0:
            return False
    return False
