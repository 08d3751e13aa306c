"""What a change does to a text beyond its layout: files in a normal form, change sets as a digest.

Two change sets with the same digest differ in line ends, blank lines, layout and comments alone.
The other direction is not promised: where a text cannot be understood with certainty, it stays as
it is, for to take two changes for two costs a vote, to take them for one costs a result.

- **Python** is its syntax tree. Docstrings belong to it, for programs read them (``__doc__``,
  doctest, help texts, web frameworks); only their indentation and trailing blanks do not. Comments
  do not belong to it, except those that tools obey (``# noqa``, ``# type: …``, a shebang).
- **JSON** is its values, in their order.
- **Go, Java, JavaScript, TypeScript and Rust** are their tokens, where somebody can read them (see
  `core.syntax`), else
- **languages whose lines mean nothing at their ends** (C, Go, Java, JavaScript, Rust, …) lose
  trailing blanks and blank lines, unless something in the file could be a literal or a directive
  of several lines.
- **Everything else** (YAML, Markdown, shell, make, …) is its bytes: blanks mean something there.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import inspect
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Any, Final, TypeAlias, cast

from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.crosstests import is_test
from massgen_ls.core.syntax import LANGUAGES, Parse, tokens

LARGEST: Final = 1024 * 1024
"""Bytes of a file that is looked into; a larger one is its bytes."""

_PYTHON = frozenset({"py", "pyi"})
_LINES = {
    **dict.fromkeys(("c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx"), rb'R"'),
    **dict.fromkeys(("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts"), rb"`"),
    **dict.fromkeys(("java", "kt", "kts", "scala", "swift"), rb'#"'),
    "cs": rb'@[$]?"|[$]@"|["]{3}',
    # cgo reads the comment above this import, and a build line wants a blank line below it.
    "go": rb'`|"C"|\+build',
    # Every literal may span lines. Where the quotes on each line are even in number, and nothing
    # else can hide one, none does.
    "rs": rb'\\"|\'"\'|/\*|\br#*"|^[^"\n]*"(?:[^"\n]*"[^"\n]*")*[^"\n]*$',
}
"""By suffix: what may be a text of several lines, or make blank lines mean something."""
_ANYWHERE = rb'|"""|\'\'\'|\\[ \t]*\r?$'
_HAZARDS = {
    suffix: re.compile(pattern + _ANYWHERE, re.MULTILINE) for suffix, pattern in _LINES.items()
}
_KNOWN = _PYTHON | _LINES.keys() | {"json"}


class Normaliser:
    """Normal forms of the files of one run, each made once.

    `missing` names what has to be read for a change set, `add` takes it, `digest` answers.
    """

    def __init__(self, parse: Parse | None = None) -> None:
        self._parse = parse
        self._forms: dict[tuple[RelPath, str], bytes] = {}
        self._told: _Told = {}

    def missing(self, changes: ChangeSet) -> tuple[tuple[RelPath, str], ...]:
        """Paths and object names of the contents that are not known yet."""
        found = {key for change in changes.files for key in _versions(change)}
        return tuple(sorted(found - self._forms.keys()))

    def add(self, path: RelPath, oid: str, content: bytes) -> bool:
        """Takes the content of one version, and says whether it was understood.

        It may be called in a thread, one at a time in a process: Python's parser warns of what it
        reads, and to hush it is a setting of the whole process, as the collector of garbage is.
        """
        self._forms[path, oid] = found = _form(path, content, self._told, self._parse)
        return found != _as_it_is(content)

    def digest(self, changes: ChangeSet) -> str:
        """The hex name of what the changes do. All that `missing` named has to be there.

        A change set of nothing but layout and comments is about just these, so there they count.
        """
        entries = sorted(entry for change in changes.files for entry in self._entries(change))
        if not entries:
            entries = sorted(
                (str(change.path), str(change.new_type), str(change.new_oid))
                for change in changes.files
            )
        return hashlib.sha256(repr(entries).encode("utf-8", "surrogatepass")).hexdigest()

    def code(self, changes: ChangeSet) -> str:
        """The same of the files that are no tests; of a change of nothing but tests, all of it."""
        beside = ChangeSet(tuple(change for change in changes.files if not _of_tests(change)))
        does = any(True for change in beside.files for _ in self._entries(change))
        return self.digest(beside if does else changes)

    def _entries(self, change: FileChange) -> Iterator[tuple[str, str, str]]:
        old_path = change.old_path or change.path
        if change.kind == "delete":
            yield str(change.path), "deleted", ""
            return
        old, new = self._form(old_path, change.old_oid), self._form(change.path, change.new_oid)
        if old_path != change.path:
            yield str(old_path), "deleted", ""
        elif (old, change.old_type) == (new, change.new_type):
            return
        yield str(change.path), str(change.new_type), new

    def _form(self, path: RelPath, oid: str | None) -> str:
        if oid is None:
            return ""
        known = self._forms.get((path, oid))
        return known.hex() if known is not None else oid


def _versions(change: FileChange) -> Iterator[tuple[RelPath, str]]:
    """Both versions of a changed file, where their contents can be understood."""
    if change.kind == "delete" or change.binary:
        return
    for path, oid, kind in (
        (change.old_path or change.path, change.old_oid, change.old_type),
        (change.path, change.new_oid, change.new_type),
    ):
        if oid is not None and kind in ("file", "executable") and _suffix(path) in _KNOWN:
            yield path, oid


def _of_tests(change: FileChange) -> bool:
    return is_test(change.path) and is_test(change.old_path or change.path)


def _suffix(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower()


def form(path: str, content: bytes, parse: Parse | None = None) -> bytes:
    """The digest of a file's normal form; what cannot be understood is its bytes."""
    return _form(path, content, {}, parse)


def _form(path: str, content: bytes, known: _Told, parse: Parse | None) -> bytes:
    collected = gc.isenabled()
    gc.disable()  # a hundred thousand nodes without a cycle: to look for some takes half as long
    try:
        found = _understood(path, content, known, parse)
    finally:
        if collected:
            gc.enable()
    return _as_it_is(content) if found is None else hashlib.sha256(found).digest()


def _as_it_is(content: bytes) -> bytes:
    return hashlib.sha256(b"bytes\n" + content).digest()


def _understood(path: str, content: bytes, known: _Told, parse: Parse | None) -> bytes | None:
    """What a file says; None when that is not known with certainty."""
    suffix = _suffix(path)
    if len(content) > LARGEST:
        return None
    if suffix in _PYTHON:
        return _python(content, known)
    if suffix == "json":
        return _json(content)
    if parse and suffix in LANGUAGES and (said := tokens(LANGUAGES[suffix], content, parse)):
        return b"tokens\n" + said
    if suffix in _HAZARDS and not _HAZARDS[suffix].search(content):
        lines = (line.rstrip() for line in content.split(b"\n"))
        return b"lines\n" + b"\n".join(line for line in lines if line)
    return None


# ── Python ──────────────────────────────────────────────────────────────────────────────────────

_OBEYED = re.compile(
    rb"\A#!.*$|#[ \t]*((?:type:|noqa|pragma|pylint:|pyright:|mypy:|ruff:|flake8|fmt:|yapf:|isort:|"
    rb"nosec|pyre-|pytype:).*)$",
    re.MULTILINE | re.IGNORECASE,
)
_SCRIPT_BLOCK = b"# /// "
"""A comment that installers read (inline script metadata)."""
_LAYOUT = frozenset({"ctx", "kind", "type_comment"})
"""Fields that other fields imply, or that only say how something was written (``u""``)."""
_SPECIAL = frozenset({ast.Delete, ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef})
_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    node: tuple(name for name in node._fields if name not in _LAYOUT)
    for node in vars(ast).values()
    if isinstance(node, type) and issubclass(node, ast.AST)
}
_READ: Final[dict[type, Callable[[object], object]]] = {
    node: attrgetter(*names) for node, names in _FIELDS.items() if names
}
"""All the fields of a node at once: their tuple, or the value of a single one."""


def _python(content: bytes, known: _Told) -> bytes | None:
    """Its syntax tree and the comments that tools obey; None when it is not understood."""
    if _SCRIPT_BLOCK in content or is_encoded_strangely(content):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what agents write there is no end
            told = _told(content, known)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    obeyed = (b" ".join((match[1] or match[0]).split()) for match in _OBEYED.finditer(content))
    return b"\n".join((b"python", *told, *obeyed))


_ENCODING = re.compile(rb"\A(?:[^\r\n]*(?:\r\n?|\n))??[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
_ENCODINGS = re.compile(rb"utf[-_]?8(?:[-_]\w+)?|(?:us-)?ascii|(?:latin|iso-8859)[-_]?\d+|cp\d+")
"""Those whose work grows as the text does; that of ``punycode`` grows with its square."""


def is_encoded_strangely(content: bytes) -> bool:
    """Whether a Python file says that it is in an encoding that nobody should be made to read."""
    encoding = _ENCODING.search(content)
    return encoding is not None and not _ENCODINGS.fullmatch(encoding[1].lower())


_Told: TypeAlias = "dict[tuple[bytes, bool], tuple[bytes, ...] | None]"
"""What pieces of Python say: digests of their statements, None where they are no whole ones. By the
digest of their text, and whether a file begins with it."""

_CUT = re.compile(rb"\n(?![ \t#\n)\]}]|(?:else|elif|except|finally)\b)")
"""Before a line that may begin a statement at the margin."""
_AS_ONE = re.compile(rb"[\r\f]|\A\xef\xbb\xbf|\A(?:.*\n)?[ \t]*#.*coding[:=]|barry_as_FLUFL")
"""What makes a piece mean something else by itself than inside its file: line ends that others see
otherwise, an encoding, a joke of the grammar."""
_MOST_LINES = 100
"""How many lines at the margin a statement may have, in a docstring say."""
_MOST_BYTES = 64 * 1024
"""And how long it may be: it is read anew with each of these lines."""


def _told(content: bytes, known: _Told) -> Sequence[bytes]:
    """Digests of its statements.

    Files have most of their text in common, with the base and with each other, and trees of short
    texts are made quicker. So a file is read in pieces. What can be read by itself up to a line at
    the margin, which does not go on with an ``else``, is a number of whole statements: nothing is
    left open at its end.
    """
    if not _AS_ONE.search(content):
        with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            return _in_pieces(content, known)
    return _statements(content, first=True)


def _in_pieces(content: bytes, known: _Told) -> list[bytes]:
    found: list[bytes] = []
    start = lines = 0
    for end in (*(cut.end() for cut in _CUT.finditer(content)), len(content)):
        piece, lines = content[start:end], lines + 1
        key = hashlib.sha256(piece).digest(), not found
        if key not in known:
            try:
                known[key] = _statements(piece, first=not found)
            except SyntaxError:
                known[key] = None  # what follows may belong to it
        told = known[key]
        if told is not None:
            found += told
            start, lines = end, 0
        elif lines == _MOST_LINES or end - start > _MOST_BYTES:
            break
    if start < len(content):
        raise SyntaxError
    return found


def _statements(content: bytes, *, first: bool) -> tuple[bytes, ...]:
    """A digest of each; ``first``: a text at the beginning is the module's docstring."""
    tree = ast.parse(content)
    body = cast("ast.Module", _plain(tree)).body if first else tree.body
    # repr: numbers may be too long for it
    flat = (repr(_flat(each)).encode("utf-8", "surrogatepass") for each in body)
    return tuple(hashlib.sha256(each).hexdigest().encode() for each in flat)


def _flat(tree: ast.AST) -> list[object]:
    """A tree as a list, without recursion: programs may write trees of any depth.

    Each node's class tells which fields follow and which of them are lists, so that equal lists are
    equal trees.
    """
    found: list[object] = []
    left: list[object] = [tree]
    take, add, push = left.pop, found.append, left.extend
    while left:
        item = take()
        kind = type(item)
        names = _FIELDS.get(kind)
        if names is None:
            if kind is list:
                items = cast("list[object]", item)
                add(len(items))
                push(items)
            else:
                add(item)
            continue
        add(kind.__name__)
        if names:
            if kind in _SPECIAL:
                item = _plain(cast("ast.AST", item))
            read = _READ[kind](item)
            push(cast("tuple[object, ...]", read) if len(names) > 1 else (read,))
    return found


def _plain(node: ast.AST) -> ast.AST:
    """A node of the few kinds in which formatters change the tree, as if they had."""
    match node:
        case ast.Delete(targets=targets):
            return ast.Delete(_deleted(targets))
        case (
            ast.Module(body=[ast.Expr(value=ast.Constant(value=str(text)) as said), *_])
            | ast.ClassDef(body=[ast.Expr(value=ast.Constant(value=str(text)) as said), *_])
            | ast.FunctionDef(body=[ast.Expr(value=ast.Constant(value=str(text)) as said), *_])
            | ast.AsyncFunctionDef(body=[ast.Expr(value=ast.Constant(value=str(text)) as said), *_])
        ):
            # Formatters move docstrings with their blocks, and every reader undoes that.
            lines = inspect.cleandoc(text).split("\n")
            said.value = "\n".join(line.rstrip() for line in lines).strip()
        case _:
            pass
    return node


def _deleted(targets: list[ast.expr]) -> list[ast.expr]:
    """``del (a, b)`` is ``del a, b``, which formatters make of it."""
    found: list[ast.expr] = []
    left = targets[::-1]
    while left:
        target = left.pop()
        if isinstance(target, ast.Tuple | ast.List):
            left.extend(target.elts[::-1])
        else:
            found.append(target)
    return found


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────


def _json(content: bytes) -> bytes | None:
    """Its values; None when it is not JSON (settings files of many tools have comments)."""
    try:
        # Numbers as they are written: 1.0 and 1 are two things to some readers. Doubled keys stay.
        value: Any = json.loads(
            content, object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number
        )
        return b"json\n" + repr(value).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, MemoryError):
        return None


class _Members(tuple[tuple[str, Any], ...]):
    """An object's members; shown unlike a list of pairs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Members{super().__repr__()}"


class _Number(str):
    """A number as it is written; shown unlike a string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Number({super().__repr__()})"
