"""Versions of a fix as agents might have written it: partly, slightly wrong, too broad, restyled.

Everything here is a function of texts and of a seeded generator: the same seed makes the same
versions. Only Python is understood.
"""

from __future__ import annotations

import ast
import difflib
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from massgen_ls.core.normal import form

Texts = Mapping[str, str]
"""Files by their paths."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the files that a fix changes; what it does not name is as in the base."""

    how: str
    """What became of the fix, for people."""
    files: Texts


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement in a text, by characters."""

    first: int
    last: int
    text: str
    how: str

    def of(self, text: str) -> str:
        """The text with it."""
        return text[: self.first] + self.text + text[self.last :]


def versions(base: Texts, fix: Texts, chance: random.Random, most: int) -> list[Version]:
    """Versions of a fix that may be wrong, each of another kind in turn, none twice.

    Args:
        base: The files before, without those that the fix adds.
        fix: The files after.
        chance: Decides which of many.
        most: How many.
    """
    kinds = [
        _shuffled(_partial(base, fix), chance),
        _shuffled(_slips(base, fix, touched=True), chance),
        _shuffled(_slips(base, fix, touched=False), chance),
    ]
    # Two slips in the fix itself for each of the others: that is how most attempts go wrong.
    turns = [kinds[1], kinds[0], kinds[1], kinds[2]]
    found: list[Version] = []
    seen = {_forms(base), _forms({**base, **fix})}
    while any(kinds) and len(found) < most:
        for turn in turns:
            while turn:
                version = turn.pop()
                key = _forms({**base, **version.files})
                if key not in seen:
                    seen.add(key)
                    found.append(version)
                    break
    return found[:most]


def _shuffled(found: Iterator[Version], chance: random.Random) -> list[Version]:
    listed = list(found)
    chance.shuffle(listed)
    return listed


def _forms(files: Texts) -> tuple[tuple[str, bytes], ...]:
    return tuple(sorted((path, form(path, text.encode())) for path, text in files.items()))


# ── a part of the fix ───────────────────────────────────────────────────────────────────────────


def hunks(old: str, new: str) -> list[tuple[int, int, int, int]]:
    """What differs, as ranges of lines from 0: (first, end) of the old text, then of the new."""
    matcher = difflib.SequenceMatcher(None, lines(old), lines(new), autojunk=False)
    return [(a, b, c, d) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"]


def lines(text: str) -> list[str]:
    """The lines with their ends."""
    return re.findall(r"[^\n]*\n|[^\n]+$", text)


def _partial(base: Texts, fix: Texts) -> Iterator[Version]:
    """The fix without one of its hunks, or without one of its files."""
    for path, new in fix.items():
        if len(fix) > 1:
            rest = {p: t for p, t in fix.items() if p != path}
            yield Version(f"{path} left out", rest)
        old = base.get(path)
        if old is None:
            continue
        parts = hunks(old, new)
        if len(parts) < 2:
            continue
        before, after = lines(old), lines(new)
        for number, (first, end, start, stop) in enumerate(parts, 1):
            text = "".join([*after[:start], *before[first:end], *after[stop:]])
            if _parses(text):
                how = f"change {number} of {len(parts)} in {path} left out"
                yield Version(how, {**fix, path: text})


# ── a slip ──────────────────────────────────────────────────────────────────────────────────────


def _slips(base: Texts, fix: Texts, *, touched: bool) -> Iterator[Version]:
    """The fix with one slip, in what it touches or elsewhere in the same file."""
    for path, new in fix.items():
        old = base.get(path, "")
        inside = {n for *_, c, d in hunks(old, new) for n in range(c + 1, d + 1)}
        where = "" if touched else ", outside of the fix"
        for edit, line in slips(new):
            if (line in inside) == touched:
                text = edit.of(new)
                if _parses(text):
                    yield Version(f"{edit.how} in {path}:{line}{where}", {**fix, path: text})


def slips(text: str) -> Iterator[tuple[Edit, int]]:
    """Every small slip that can be made in a Python text, with its line."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    at = _Places(text)
    quiet = _docstrings(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for make in _MAKERS:
            if id(node) not in quiet:
                for edit in make(node, at):
                    yield edit, line


class _Places:
    """From the tree's positions (lines, bytes) to characters of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._rows = text.split("\n")
        self._starts = [0]
        for row in self._rows:
            self._starts.append(self._starts[-1] + len(row) + 1)

    def _at(self, line: int, column: int) -> int:
        prefix = self._rows[line - 1].encode()[:column].decode(errors="ignore")
        return self._starts[line - 1] + len(prefix)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Where a node is written."""
        assert node.end_lineno is not None, "parsed nodes have an end"
        assert node.end_col_offset is not None
        first = self._at(node.lineno, node.col_offset)
        return first, self._at(node.end_lineno, node.end_col_offset)

    def replaced(self, node: ast.expr | ast.stmt, text: str, how: str) -> Edit:
        """Another text for a node."""
        return Edit(*self.span(node), text, how)

    def between(
        self, left: ast.expr, right: ast.expr, word: str, other: str, how: str
    ) -> Iterator[Edit]:
        """Another operator between two operands."""
        first, last = self.span(left)[1], self.span(right)[0]
        found = re.search(rf"(?<![\w=<>!]){re.escape(word)}(?![\w=])", self.text[first:last])
        if found:
            yield Edit(first + found.start(), first + found.end(), other, how)

    def written(self, node: ast.expr) -> str:
        """The text of a node."""
        first, last = self.span(node)
        return self.text[first:last]


_OTHER: dict[type[ast.cmpop | ast.operator], tuple[str, str]] = {
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Is: ("is", "is not"), ast.In: ("in", "not in"),
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.FloorDiv: ("//", "/"),
}  # fmt: skip


def _operators(node: ast.AST, at: _Places) -> Iterator[Edit]:
    match node:
        case ast.Compare(left=left, ops=[op, *_], comparators=[right, *_]) if type(op) in _OTHER:
            word, other = _OTHER[type(op)]
            yield from at.between(left, right, word, other, f"`{word}` became `{other}`")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OTHER:
            word, other = _OTHER[type(op)]
            yield from at.between(left, right, word, other, f"`{word}` became `{other}`")
        case ast.BoolOp(op=op, values=[left, right, *_]):
            word, other = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
            yield from at.between(left, right, word, other, f"`{word}` became `{other}`")
        case _:
            pass


def _conditions(node: ast.AST, at: _Places) -> Iterator[Edit]:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield at.replaced(test, f"not ({at.written(test)})", "a condition was negated")
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield at.replaced(node, f"({at.written(operand)})", "a `not` was lost")
        case ast.BoolOp(values=[first, *_]):
            yield at.replaced(node, f"({at.written(first)})", "a part of a condition was lost")
        case _:
            pass


def _constants(node: ast.AST, at: _Places) -> Iterator[Edit]:
    match node:
        case ast.Constant(value=bool(value)):
            yield at.replaced(node, repr(not value), f"{value} became {not value}")
        case ast.Constant(value=int(value)) if abs(value) < 1000:
            yield at.replaced(node, str(value + 1), f"{value} became {value + 1}")
        case _:
            pass


def _statements(node: ast.AST, at: _Places) -> Iterator[Edit]:
    match node:
        case ast.Return(value=ast.expr() as value) if at.written(value) != "None":
            yield at.replaced(value, "None", "a result was lost")
        case ast.Assign() | ast.AugAssign() | ast.Expr() | ast.Raise():
            yield at.replaced(node, "pass", "a statement was left out")
        case ast.Call(args=[first, second, *_]) if at.written(first) != at.written(second):
            start, end = at.span(first)[0], at.span(second)[1]
            middle = at.text[at.span(first)[1] : at.span(second)[0]]
            text = f"{at.written(second)}{middle}{at.written(first)}"
            yield Edit(start, end, text, "two arguments were swapped")
        case _:
            pass


_MAKERS: Sequence[Callable[[ast.AST, _Places], Iterator[Edit]]] = (
    _operators, _conditions, _constants, _statements,
)  # fmt: skip


def _docstrings(tree: ast.Module) -> set[int]:
    """Texts that are statements, with their statements."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found |= {id(node), id(node.value)}
    return found


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


# ── the same in another style ───────────────────────────────────────────────────────────────────


def restyled(base: Texts, files: Texts, chance: random.Random) -> Texts:
    """The same in another layout: comments and blank lines where something was changed.

    A file in which that cannot be done without another meaning stays as it is.
    """
    found = dict(files)
    for path, text in files.items():
        rows = lines(text)
        starts = [c for *_, c, d in hunks(base.get(path, ""), text) if d > c]
        chance.shuffle(starts)
        for start in starts:
            row = rows[start]
            indent = row[: len(row) - len(row.lstrip())]
            comment = f"{indent}# {chance.choice(_REMARKS)}\n"
            tried = "".join([*rows[:start], comment, *rows[start:]])
            if form(path, tried.encode()) == form(path, text.encode()):
                found[path] = tried
                break
    return found


_REMARKS = ("see the issue", "this is the case that was wrong", "keep this in mind", "was wrong")


# ── the same in other words ─────────────────────────────────────────────────────────────────────

_TURNED: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: ">", ast.LtE: ">=", ast.Gt: "<", ast.GtE: "<=",
}  # fmt: skip


def reworded(base: Texts, files: Texts, chance: random.Random) -> Texts:
    """What should do the same, written otherwise where something was changed.

    Nothing is promised: whether it does the same is for tests to say. Where nothing can be written
    otherwise, the files stay as they are.
    """
    found: list[tuple[str, str]] = []
    for path, text in files.items():
        inside = {n for *_, c, d in hunks(base.get(path, ""), text) for n in range(c + 1, d + 1)}
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        at = _Places(text)
        for node in ast.walk(tree):
            if getattr(node, "lineno", 0) in inside:
                made = (edit.of(text) for edit in _otherwise(node, at))
                found += [(path, other) for other in made if _parses(other)]
    if not found:
        return files
    path, text = chance.choice(found)
    return {**files, path: text}


def _otherwise(node: ast.AST, at: _Places) -> Iterator[Edit]:
    match node:
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            first, last = at.span(node)
            indent = " " * node.col_offset
            written = at.written(value)
            if "\n" not in written and at.text[first - node.col_offset : first] == indent:
                text = f"outcome = {written}\n{indent}return outcome"
                yield Edit(first, last, text, "a result got a name")
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _TURNED:
            text = f"{at.written(right)} {_TURNED[type(op)]} {at.written(left)}"
            yield at.replaced(node, text, "a comparison was turned round")
        case ast.If(test=test) | ast.IfExp(test=test):
            yield at.replaced(test, f"bool({at.written(test)})", "a condition was spelled out")
        case ast.BoolOp(op=op, values=[left, right]):
            word = "or" if isinstance(op, ast.And) else "and"
            text = f"not (not ({at.written(left)}) {word} not ({at.written(right)}))"
            yield at.replaced(node, text, "a condition was put the other way round")
        case _:
            pass
