"""Laws of normal forms: layout and comments never tell two changes apart, all else does."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.gates import clusters
from massgen_ls.core.normal import Normaliser, form
from massgen_ls.core.run_state import fold
from tests.laws.histories import SNAPSHOT, digested, made, spec, started

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    source
    for source in sorted((ROOT / "massgen_ls").rglob("*.py"))
    # The room itself has the marks of comments that tools obey in its strings: such files are
    # compared more strictly than they need be, and no harm is done.
    if source.stat().st_size > 2000 and source.name != "normal.py"
]
RUFF = Path(sys.executable).with_name("ruff")
STYLE = "format.quote-style='single'"


def formatted(text: bytes, width: int) -> bytes:
    command = [RUFF, "format", "--isolated", "--line-length", str(width), "--config", STYLE, "-"]
    done = subprocess.run(command, input=text, capture_output=True, check=True)
    return done.stdout


@pytest.mark.parametrize("width", [40, 160])
def test_a_formatter_never_changes_the_form(width: int) -> None:
    others = 0
    for source in SOURCES[:: 4 if width == 160 else 5]:
        text = source.read_bytes()
        other = formatted(text, width)
        others += other != text
        assert form("a.py", other) == form("a.py", text), source
        assert form("a.py", other.replace(b"\n", b"\r\n")) == form("a.py", text), source
    assert others > 10


LIBRARY = sorted(Path(ast.__file__).parent.glob("*.py"))
MARGINS = (
    *("x = 1", "if x:", "    y", "else:", '"""', "text", "@d", "def f():", "(", ")", "\\", ""),
    *("# c", "class C: pass", "try:", "except E:", "    'a'", "x = '''", "match x:", "  case 1: y"),
)
AS_ONE = b"\n# barry_as_FLUFL\n"
"""What has this in it is read as one: a joke of the grammar, and here a comment."""


def test_a_file_read_in_pieces_says_the_same_as_one_read_whole() -> None:
    for source in (*LIBRARY[::5], *SOURCES[::3]):
        text = source.read_bytes()
        assert form("a.py", text) == form("a.py", text + AS_ONE), source


@given(st.lists(st.sampled_from(MARGINS), max_size=9))
@settings(deadline=None, max_examples=1000)
def test_whatever_stands_at_the_margin(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines).encode()
    try:
        ast.parse(text)
    except SyntaxError:
        # Its bytes, for nothing else is known of it.
        assert form("a.py", text) == hashlib.sha256(b"bytes\n" + text).digest()
    else:
        assert form("a.py", text) == form("a.py", text + AS_ONE)


TEXT = (ROOT / "massgen_ls/core/scoring.py").read_text()
TOKENS = [
    t
    for t in tokenize.generate_tokens(io.StringIO(TEXT).readline)
    if t.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
]
SWAPS = {
    "+": "-",
    "-": "+",
    "==": "!=",
    "<": ">",
    "|": "&",
    ".": ",",
    "[": "(",
    "]": ")",
    "=": "+=",
}


@given(st.sampled_from(TOKENS))
@settings(deadline=None, max_examples=300)
def test_another_name_number_string_or_operator_is_another_change(
    token: tokenize.TokenInfo,
) -> None:
    match token.type:
        case tokenize.OP:
            new = SWAPS.get(token.string, token.string * 2)
        case tokenize.STRING:
            new = token.string.replace("e", "E", 1)
        case _:
            new = f"{token.string}1"
    lines = TEXT.split("\n")
    row, start = token.start
    if token.end[0] != row:
        new, end = lines[row - 1][start:].replace("e", "E", 1), None
    else:
        end = token.end[1]
    line = lines[row - 1]
    lines[row - 1] = line[:start] + new + (line[end:] if end is not None else "")
    other = "\n".join(lines)
    assume(other != TEXT)
    try:
        same = ast.dump(ast.parse(other)) == ast.dump(ast.parse(TEXT))
    except SyntaxError:
        same = False
    assert (form("a.py", other.encode()) == form("a.py", TEXT.encode())) == same


SAME = {
    "comments": ("a.py", "x = 1\n", "# why\nx = 1  # because\n"),
    "deleted tuples": ("a.py", "del (a, b)\n", "del a, b\n"),
    "old string prefixes": ("a.py", "x = u'a'\n", 'x = "a"\n'),
    "joined strings": ("a.py", "x = ('a'\n 'b')\n", 'x = "ab"\n'),
    "bad escapes": ("a.py", "x = '\\d'\n", 'x = "\\d"\n'),
    "indented docstrings": (
        "a.py",
        'def f():\n    """A.\n\n    B.\n    """\n',
        'def f():\n  """A.  \n\n  B."""\n',
    ),
    "JSON": ("a.json", '{"a": [1, 2]}', '{\n  "a": [\n    1,\n    2\n  ]\n}\n'),
    "C": ("a.c", "int a;\r\n\r\n\r\nint b;  \r\n", "int a;\nint b;\n"),
    "Rust": ("a.rs", 'let a = "b";  \n\nfn f() {}\n', 'let a = "b";\nfn f() {}\n'),
}


@pytest.mark.parametrize(("path", "one", "two"), SAME.values(), ids=SAME)
def test_layout_is_not_substance(path: str, one: str, two: str) -> None:
    assert form(path, one.encode()) == form(path, two.encode())


APART = {
    "docstrings": ("a.py", '"""A."""\n', '"""B."""\n'),
    "a docstring or none": ("a.py", 'def f():\n    "A"\n', "def f():\n    pass\n"),
    "obeyed comments": ("a.py", "import a  # noqa\n", "import a\n"),
    "shebangs": ("a.py", "#!/usr/bin/python2\nx\n", "#!/usr/bin/python3\nx\n"),
    "script blocks": ("a.py", "# /// script\n# a\n# ///\n", "# /// script\n# b\n# ///\n"),
    "indentation": ("a.py", "if a:\n    b\n    c\n", "if a:\n    b\nc\n"),
    "trailing blanks in strings": ("a.py", 'x = """a \n"""\n', 'x = """a\n"""\n'),
    "1 and True": ("a.py", "x = 1\n", "x = True\n"),
    "1 and 1.0": ("a.py", "x = 1\n", "x = 1.0\n"),
    "a tuple and two": ("a.py", "f((a, b))\n", "f(a, b)\n"),
    "what does not parse": ("a.py", "x = (\n", "x = ( \n"),
    "JSON order": ("a.json", '{"a": 1, "b": 2}', '{"b": 2, "a": 1}'),
    "JSON kinds": ("a.json", '{"a": 1}', '{"a": "1"}'),
    "JSON objects": ("a.json", '{"a": 1}', '[["a", 1]]'),
    "JSON numbers": ("a.json", "1", "1.0"),
    "YAML": ("a.yaml", "a: |\n  b\n", "a: |\n  b\n\n"),
    "Markdown": ("a.md", "a  \nb\n", "a\nb\n"),
    "make": ("Makefile", "a:\n\tb\n", "a:\n\n\tb\n"),
    "templates": ("a.js", "x = `a \n`\n", "x = `a\n`\n"),
    "continued lines": ("a.c", "#define A \\\n b\n", "#define A \\ \n b\n"),
    "cgo": ("a.go", '// int a;\nimport "C"\n', '// int a;\n\nimport "C"\n'),
    "raw C++": ("a.cc", 'R"(a \n)"\n', 'R"(a\n)"\n'),
    "Java text blocks": ("a.java", '"""\na\n\nb"""\n', '"""\na\nb"""\n'),
    "Rust strings": ("a.rs", 'let a = "b \nc";\n', 'let a = "b\nc";\n'),
    "Rust after a comment": ("a.rs", '/* " */ f("b \n");\n', '/* " */ f("b\n");\n'),
    "joined lines": ("a.js", "return\nx\n", "return x\n"),
}


@pytest.mark.parametrize(("path", "one", "two"), APART.values(), ids=APART)
def test_substance_is_never_taken_for_layout(path: str, one: str, two: str) -> None:
    assert form(path, one.encode()) != form(path, two.encode())


def test_no_text_is_too_odd_for_a_form() -> None:
    deep = b"(" * 5000 + b")" * 5000
    chain = b"x = " + b"-" * 3000 + b"1\n"
    for content in (deep, chain, b"x = 0x" + b"f" * 9000, b"\0", b"\xff\xfe", b"", b"[" * 90_000):
        assert form("a.py", content) == form("a.py", content)
        assert form("a.json", content) == form("a.json", content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values, json_values)
def test_json_forms_are_equal_when_the_values_are(one: object, two: object) -> None:
    def of(value: object, indent: int | None) -> bytes:
        return form("a.json", json.dumps(value, indent=indent).encode())

    assert of(one, None) == of(one, 4)
    assert (of(one, None) == of(two, 4)) == (json.dumps(one) == json.dumps(two))


def edit(old: str, new: str, path: str = "a.py") -> FileChange:
    return FileChange("modify", rel_path(path), None, old, new, "file", "file", added=1, removed=1)


CONTENTS = {
    "base": b"x = 1\n",
    "one": b"x = 2\n",
    "spaced": b"x  =  2\n",
    "noted": b"x = 1  # said\n",
    "noted2": b"x = 1  # told\n",
}


def digest(*changes: FileChange) -> str:
    normaliser = Normaliser()
    changed = ChangeSet.of(changes)
    for path, oid in normaliser.missing(changed):
        normaliser.add(path, oid, CONTENTS[oid])
    assert normaliser.missing(changed) == ()
    return normaliser.digest(changed)


def test_a_change_set_is_what_it_does() -> None:
    plain = digest(edit("base", "one"))
    assert digest(edit("base", "spaced")) == plain
    assert digest(edit("base", "one"), edit("base", "noted", "b.py")) == plain
    assert digest(edit("base", "one", "b.py")) != plain
    assert digest(edit("base", "one"), edit("base", "one", "b.py")) != plain
    executable = FileChange(
        "modify", rel_path("a.py"), None, "base", "one", "file", "executable", 1, 1
    )
    assert digest(executable) != plain
    gone = FileChange("delete", rel_path("a.py"), None, "base", None, "file", None, 0, 1)
    moved = FileChange(
        "rename", rel_path("b.py"), rel_path("a.py"), "base", "one", "file", "file", 1, 1
    )
    assert len({digest(gone), digest(moved), plain}) == 3


def test_a_change_of_nothing_but_comments_is_about_comments() -> None:
    assert digest(edit("base", "noted")) != digest(edit("base", "noted2"))
    assert digest(edit("base", "noted")) == digest(edit("base", "noted"))


@given(
    st.lists(
        st.tuples(st.sampled_from(["t1", "t2", "t3"]), st.integers(1, 3)), min_size=4, max_size=4
    ),
    st.lists(st.sampled_from(["", "x", "y"]), min_size=3, max_size=3),
    st.permutations([0, 1, 2, 3]),
)
def test_clusters_are_a_partition_that_knows_no_order(
    given_: list[tuple[str, int]], digests: list[str], order: list[int]
) -> None:
    by_tree = dict(zip(("t1", "t2", "t3"), digests, strict=True))
    sizes = dict(given_)

    def of(arrived: list[int]) -> set[tuple[str, tuple[str, ...]]]:
        state = started(spec(4, 0))
        for i in arrived:
            tree = given_[i][0]
            state = fold(made(f"a{i}", digested(f"a{i}", tree, by_tree[tree], sizes[tree])), state)
        return {(c.tree, c.members) for c in clusters(state)}

    found = of([0, 1, 2, 3])
    assert found == of(order)
    members = [m for _, inside in found for m in inside]
    assert sorted(members) == ["a0.1", "a1.1", "a2.1", "a3.1"]

    def same(i: int, j: int) -> bool:
        one, two = given_[i][0], given_[j][0]
        return one == two or (by_tree[one] == by_tree[two] != "")

    home = {m: inside for _, inside in found for m in inside}
    for i in range(4):
        for j in range(4):
            assert (home[f"a{i}.1"] == home[f"a{j}.1"]) == same(i, j)
    for tree, inside in found:
        trees = [given_[int(m[1])][0] for m in inside]
        assert sizes[tree] == min(sizes[t] for t in trees), "the smallest is offered"
        assert tree == trees[0]
    assert SNAPSHOT.tree not in {tree for tree, _ in found}
