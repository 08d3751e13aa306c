"""Tests as the authors of versions might have brought them.

The tests of the real fix stand for what somebody can think of. Whoever wrote a wrong version
brings those that it passes, and may have pasted what it returns into the others.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from massgen_ls.evaluation.mutations import Texts, lines

SEEN = "massgen_seen.jsonl"
"""In the home of the run: what the asserted expressions were."""
_RECORD = (
    "def _massgen_seen(n, value):\n"
    "    import json, os\n"
    f"    with open(os.path.join(os.environ['TMPDIR'], {SEEN!r}), 'a') as file:\n"
    "        file.write(json.dumps([n, repr(value)]) + '\\n')\n"
    "    return value\n"
)


@dataclass(frozen=True, slots=True)
class _Function:
    """A test function: its name as check results tell it, and its lines, from 0."""

    name: str
    first: int
    end: int
    node: ast.FunctionDef


def function_of(test: str) -> str:
    """The function of a test's name: ``tests.test_a.TestB::test_c[1]`` without the parameters."""
    return test.partition("[")[0]


def functions(path: str, text: str) -> list[_Function]:
    """The test functions of a file; none where it cannot be parsed."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    module = path.removesuffix(".py").replace("/", ".")
    return list(_functions(tree.body, module))


def _functions(body: list[ast.stmt], owner: str) -> Iterator[_Function]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{owner}.{node.name}")
        elif isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            yield _Function(f"{owner}::{node.name}", first, node.end_lineno, node)


def without(files: Texts, tests: Collection[str]) -> Texts:
    """Test files without some of their functions.

    Args:
        files: The test files.
        tests: Names of tests, as `function_of` tells them.
    """
    found: dict[str, str] = {}
    for path, text in files.items():
        rows = lines(text)
        for function in reversed(functions(path, text)):
            if function.name in tests:
                rows[function.first : function.end] = []
        made = "".join(rows)
        try:
            ast.parse(made)
        except SyntaxError:
            made = text  # a class of which nothing is left: then all stays
        found[path] = made
    return found


@dataclass(frozen=True, slots=True)
class _Expected:
    """An assertion of what an expression is equal to: where both stand, in lines and columns."""

    actual: ast.expr
    wanted: ast.expr


def _expectations(node: ast.FunctionDef) -> Iterator[_Expected]:
    for part in ast.walk(node):
        match part:
            case ast.Assert(test=ast.Compare(left=actual, ops=[ast.Eq()], comparators=[wanted])):
                yield _Expected(actual, wanted)
            case ast.Call(func=ast.Attribute(attr="assertEqual"), args=[actual, wanted, *_]):
                yield _Expected(actual, wanted)
            case _:
                pass


def watched(files: Texts, tests: Collection[str]) -> Texts:
    """Test files that write down what the expressions are that some tests assert something of."""
    found: dict[str, str] = {}
    for path, text in files.items():
        edits: list[tuple[ast.expr, str, str | None]] = [
            (expected.actual, f"_massgen_seen({json.dumps([path, *_at(expected.wanted)])}, ", ")")
            for function in functions(path, text)
            if function.name in tests
            for expected in _expectations(function.node)
        ]
        found[path] = f"{_wrapped(text, edits)}\n\n{_RECORD}"
    return found


def pasted(files: Texts, seen: str) -> Texts:
    """Test files that expect what was written down, where that is a literal and always the same."""
    values: dict[tuple[str, int, int], set[str]] = {}
    for row in seen.split("\n"):
        if row.strip():
            (path, line, column), value = json.loads(row)
            values.setdefault((path, line, column), set()).add(value)
    found: dict[str, str] = {}
    for path, text in files.items():
        edits: list[tuple[ast.expr, str, str | None]] = []
        for function in functions(path, text):
            for expected in _expectations(function.node):
                known = values.get((path, *_at(expected.wanted)), set())
                if len(known) == 1 and _literal(value := next(iter(known))):
                    edits.append((expected.wanted, value, None))
        found[path] = _wrapped(text, edits)
    return found


def _at(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _literal(value: str) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return len(value) < 500


def _wrapped(text: str, edits: list[tuple[ast.expr, str, str | None]]) -> str:
    """Puts something around expressions, or, where nothing comes after, in their place."""
    rows = [row.encode() for row in lines(text)]
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    body = b"".join(rows)
    spans: list[tuple[int, int, bytes]] = []
    for node, before, after in edits:
        assert node.end_lineno is not None, "parsed nodes have an end"
        assert node.end_col_offset is not None
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[node.end_lineno - 1] + node.end_col_offset
        inner = b"" if after is None else body[first:last] + after.encode()
        spans.append((first, last, before.encode() + inner))
    for first, last, new in sorted(spans, reverse=True):
        body = body[:first] + new + body[last:]
    return body.decode()


def tests_of(files: Texts, names: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Which functions of the files have tests among these names, by file."""
    wanted = {function_of(name) for name in names}
    return {
        path: frozenset(f.name for f in functions(path, text) if f.name in wanted)
        for path, text in files.items()
    }
