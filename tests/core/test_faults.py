"""Files that nobody can read: each certainty, and each doubt that says nothing."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from massgen_ls.core.candidate import Fault
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.faults import Faults
from massgen_ls.core.normal import LARGEST, form
from massgen_ls.core.pythons import Version, declarations, floor
from massgen_ls.core.reading import reading

HERE: Version = (sys.version_info[0], sys.version_info[1])
F311 = (3, 11)
MARKS = "the marks of a merge are left in it"


def fault(
    path: str,
    old: str | None,
    new: str,
    oldest: Version | None = None,
    running: Version = HERE,
    old_path: str | None = None,
) -> Fault | None:
    """What is said of a file that was ``old`` and is ``new``."""
    at, was = rel_path(path), rel_path(old_path or path)
    kind = "add" if old is None else "rename" if old_path else "modify"
    change = FileChange(
        kind,
        at,
        was if old_path else None,
        None if old is None else "o",
        "n",
        None if old is None else "file",
        "file",
        1,
        1,
    )
    changes, faults = ChangeSet.of([change]), Faults(running)
    for where, oid in faults.missing(changes):
        faults.add(where, oid, (new if oid == "n" else old or "").encode())
    assert faults.missing(changes) == ()
    found = faults.of(changes, {at: oldest} if oldest else None)
    assert set(faults.of(changes)) <= {*found}, "what is known takes nothing back"
    return found[0] if found else None


OPEN = "x = (1,\ny = 2\n"
NEWER = "def f():\n    print 'x'\n"
"""What our Python does not read and another one may."""
MERGED = "a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> theirs\n"

CERTAIN: list[tuple[str, str | None, str, str]] = [
    ("a.py", "x = 1\n", OPEN, "a.py no longer parses (line 1: '(' was never closed)"),
    ("a.py", None, OPEN, "a.py does not parse (line 1: '(' was never closed)"),
    ("tests/test_a.py", "x = 1\n", OPEN, "tests/test_a.py no longer parses (line 1: '(' was"),
    ("tests/tool.py", "x = 1\n", OPEN, "tests/tool.py no longer parses (line 1: '(' was"),
    ("core/errors.py", "x = 1\n", OPEN, "core/errors.py no longer parses (line 1: '(' was"),
    ("a.py", "x = 1\n", "def f():\nreturn 1\n", "a.py no longer parses (line 2: expected an ind"),
    ("a.py", "x = 1\n", "x = 1\n  y = 2\n", "a.py no longer parses (line 2: unexpected indent)"),
    ("a.py", "x = 1\n", "x = 'a\n", "a.py no longer parses (line 1: unterminated string literal"),
    ("a.py", "x = 1\n", "x = 1)\n", "a.py no longer parses (line 1: unmatched ')')"),
    ("a.py", "x = 1\n", "x = (1]\n", "a.py no longer parses (line 1: closing parenthesis ']' d"),
    ("a.pyi", "x: int\n", "x: list[int\n", "a.pyi no longer parses (line 1: '[' was never"),
    ("a.py", "x = 1\n", MERGED, f"a.py no longer parses (line 2: {MARKS})"),
    ("a.json", "[1]", "[1", "a.json no longer parses (line 1: Expecting ',' delimiter)"),
    ("a.json", "{}", '{"a": 1\n"b": 2}', "a.json no longer parses (line 2: Expecting ',' del"),
    ("a.json", "{}", '/* \n */ {"a": 1\n"b": 2,}', "a.json no longer parses (line 3: Expecting"),
    ("package.json", "{}", '{"a": 1,}', "package.json no longer parses (line 1: "),
    ("web/package.json", None, "{'a': 1}", "web/package.json does not parse (line 1: "),
    ("tsconfig.json", "{}", f"{{\n{MERGED}}}", f"tsconfig.json no longer parses (line 3: {MARKS})"),
    ("n.ipynb", '{"cells": []}', '{"cells": [}', "n.ipynb no longer parses (line 1: Expecting"),
    ("a.toml", "a = 1\n", "a = 1\nb = [1\n", "a.toml no longer parses ("),
    ("a.toml", "a = 1\n", "a = 1\na = 2\n", "a.toml no longer parses (line 2: Cannot overwri"),
    ("pyproject.toml", None, "[project\n", "pyproject.toml does not parse (line 1: "),
    ("a.xml", "<a/>", "<a>\n<b></a>", "a.xml no longer parses (line 2: mismatched tag)"),
    ("a.toml", "a = 1\n", "a = {b = '{'}\nb = [1\n", "a.toml no longer parses ("),
    ("a.toml", "a = 1\n", 'a = {b = "# ä"} # {\nb = =\n', "a.toml no longer parses (line 2: Inv"),
    ("a.svg", "<a/>", "<a><b/>", "a.svg no longer parses (line 1: no element found)"),
    ("a.ts", "let a\n", MERGED, f"a.ts no longer parses (line 2: {MARKS})"),
    ("a.ts", "", f"// a `word`\n{MERGED}", f"a.ts no longer parses (line 3: {MARKS})"),
    ("a.kt", "", f"/* a /* b */ */\n{MERGED}", f"a.kt no longer parses (line 3: {MARKS})"),
    ("a.ts", "", f"let a = '/*.ts'\n/** b */\n{MERGED}", "a.ts no longer parses (line 4: "),
    ("a.json", "{}", '{"a\\"//": "/*", "b": 1\n"c": 2}', "a.json no longer parses (line 2: Exp"),
    ("a.py", "", f"# coding: utf-8\n{OPEN}", "a.py no longer parses (line 2: '(' was never"),
    ("a.go", None, MERGED, f"a.go does not parse (line 2: {MARKS})"),
    ("a.c", "", "/* c */\r\n" + MERGED.replace("\n", "\r\n"), "a.c no longer parses (line 3: the"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "words"), CERTAIN)
def test_what_nobody_can_read(path: str, old: str | None, new: str, words: str) -> None:
    assert str(fault(path, old, new)).startswith(words)


DOUBTFUL: dict[str, tuple[str, str | None, str]] = {
    "the base cannot be read either": ("a.py", "print 'x'\n", OPEN),
    "perhaps it is newer than our Python": ("a.py", "x = 1\n", NEWER),
    "perhaps a new one is": ("a.py", None, NEWER),
    "broken on purpose": ("tests/data/a.py", None, OPEN),
    "for tests": ("tests/tool.py", None, OPEN),
    "broken by its name": ("a/bad_syntax.py", None, OPEN),
    "a fixture": ("fixtures/a.json", "{}", "{"),
    "a template": ("templates/a.py", "x = 1\n", OPEN),
    "a template by its name": ("{{cookiecutter.name}}/a.py", "x = 1\n", OPEN),
    "a template by what is in it": ("a.py", "x = 1\n", "{% if x %}\ny = (\n"),
    "a notebook's line": ("a.py", "x = 1\n", "%time f(\n"),
    "for one version": ("a_py312.py", "x = 1\n", OPEN),
    "a string that holds a merge": ("a.py", "x = 1\n", f'x = """\n{MERGED}"""\n'),
    "the base has a merge": ("a.ts", MERGED, MERGED + "let b\n"),
    "a comment with a merge": ("a.ts", "let a\n", f"/*\n{MERGED}*/\n"),
    "a template with a merge": ("a.ts", "let a\n", f"let a = `\n{MERGED}`\n"),
    "a quoted tick, a raw string with a merge": (
        "a.go",
        "package a\n",
        f"const tick = '`'\nconst text = `\n{MERGED}`\n",
    ),
    "a tick in a pattern, a template with a merge": (
        "a.ts",
        "let a\n",
        f"const fence = /`/\nlet a = `\n{MERGED}`\n",
    ),
    "a comment in a comment": ("a.kt", "", f"/* a /* b */\n{MERGED}*/\n"),
    "a comment that begins like a whole one": ("a.ts", "", f"/*/\n{MERGED}/*/\n"),
    "a comment in JSON that does": ("a.json", "{}", f"/*/\n{MERGED}/*/ {{}}\n"),
    "code that is switched off in brackets": ("a.c", "", f"#if(0)\n{MERGED}#endif\n"),
    "a raw string with a merge": ("a.cpp", "", f'auto a = R"(\n{MERGED})";\n'),
    "a text block with a merge": ("A.java", "", f'a = """\n{MERGED}""";\n'),
    "code that is switched off": ("a.c", "", f"#if 0\n{MERGED}#endif\n"),
    "half of a merge": ("a.ts", "let a\n", "<<<<<<< HEAD\n"),
    "a headline": ("a.md", "", MERGED),
    "comments": ("a.json", "{}", '{"a": 1 // one\n}'),
    "a comma at the end": ("a.json", "{}", '{"a": [1, ], }'),
    "a value on each line": ("a.json", '{"a": 1}', '{"a": 1}\n{"a": 2}\n'),
    "no value": ("a.json", "{}", "\n"),
    "who reads this?": ("a.json", None, "{"),
    "a tool's own kind of JSON": ("tsconfig.json", "{}", "{a: 1}"),
    "a tool's folder": (".vscode/launch.json", "{}", "{a: 1}"),
    "JSON with comments before": ("a.json", "// c\n{}", "{"),
    "JSON to be filled in": ("a.json", "{}", '{"port": ${PORT}}'),
    "no known encoding": ("a.json", "{}", "\ud800"),
    "TOML 1.1: inline table": ("a.toml", "a = 1\n", "a = {\n b = 1,\n}\n"),
    "TOML 1.1: comma": ("a.toml", "a = 1\n", "a = {b = 1,}\n"),
    "TOML 1.1: escapes": ("a.toml", "a = 1\n", 'a = "\\e[0m"\n'),
    "TOML 1.1: no seconds": ("a.toml", "a = 1\n", "a = 12:30\n"),
    "TOML 1.1: no seconds in a date": ("a.toml", "a = 1\n", "a = 2024-01-01T12:30Z\n"),
    "TOML 1.1: a byte": ("a.toml", "a = 1\n", 'a = "\\x41"\n'),
    "TOML 1.1: a comma and a note": ("a.toml", "a = 1\n", "a = {b = 1, # c\n}\n"),
    "TOML 1.1: tables in tables": ("a.toml", "", "x = { a = { b = 1 },\n c = 2 }\n"),
    "TOML 1.1: setuptools": (
        "pyproject.toml",
        "[a]\n",
        'dynamic = { version = { attr = "x.y" },\n readme = { file = "R" } }\n',
    ),
    "TOML 1.1: braces in a note": ("a.toml", "a = 1\n", "y = { # see {docs}\n a = 1\n}\n"),
    "TOML 1.1: a closed note": ("a.toml", "a = 1\n", "y = { # }\n a = 1\n}\n"),
    "TOML 1.1: a name like a note": ("a.toml", "a = 1\n", '"a#b" = {a = 1,\n b = 2}\n'),
    "TOML 1.1: braces in texts": ("a.toml", "a = 1\n", "x = { s = \"}\",\n t = '{' }\n"),
    "TOML 1.1: long texts": (
        "a.toml",
        "a = 1\n",
        'x = { a = """\n}""\\"""""", b = \'\'\'}\'\'\'\'\',\n c = "\\"}" }\n',
    ),
    "TOML 1.1: in lists": ("a.toml", "a = 1\n", "x = [{a = 1}, {\n b = 2\n}, {\n}]\n"),
    "a draft of TOML 1.1: names": ("a.toml", "a = 1\n", "ä = 1\n"),
    "a leap second": ("a.toml", "a = 1\n", "a = 23:59:60\n"),
    "a control character": ("a.toml", "a = 1\n", "a = 1 # \x01\n"),
    "an escape that some let pass": ("a.toml", "a = 1\n", 'a = "\\d"\n'),
    "whose TOML?": ("a.toml", None, "a ="),
    "no TOML in bytes": ("a.toml", "a = 1\n", "\ud800"),
    "no TOML": ("a.toml", "a = 1\n", "\n"),
    "entities": ("a.xml", "<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]>\n<a>&b;"),
    "a fragment": ("a.xml", "<a/>", "<a/><b/>"),
    "XML to be filled in": ("a.xml", "<a/>", "<a>${b</a>"),
    "whose XML?": ("a.xml", None, "<a>"),
    "YAML": ("a.yaml", "a: 1\n", "a: [1\n"),
    "a new kind of file": ("a.unknown", "x = 1\n", OPEN),
    "nul": ("a.py", "x = 1\n", "x = \0(\n"),
}


@pytest.mark.parametrize("why", DOUBTFUL)
def test_what_may_be_meant_so(why: str) -> None:
    path, old, new = DOUBTFUL[why]
    if new != "\ud800":
        assert fault(path, old, new) is None
        return
    for oldest in (None, (3, 0)):
        faults, at = Faults(), rel_path(path)
        changes = ChangeSet.of([FileChange("modify", at, None, "o", "n", "file", "file", 1, 1)])
        faults.add(at, "o", (old or "").encode())
        faults.add(at, "n", b"\xff\xfe\xfa")
        assert faults.of(changes, {at: oldest} if oldest else None) == ()


def test_what_a_declared_version_adds() -> None:
    words = "a.py no longer parses (line 2: Missing parentheses in call to 'print'. Did you mean p"
    assert str(fault("a.py", "x = 1\n", NEWER, (3, 8))).startswith(words)
    assert fault("a.py", None, NEWER, HERE) is not None
    assert fault("a.py", "x = 1\n", NEWER, (HERE[0], HERE[1] + 1)) is None, "newer than ours"
    assert fault("a.py", "x = 1\n", NEWER, (2, 7)) is None, "another language"
    assert fault("a.pyi", "x = 1\n", NEWER, (3, 8)) is None, "type checkers read that"
    # What is newer than a project says, and may work for all that: what it says may be old.
    for line in (
        "type X = =",
        "def f[T](x) =",
        "class C[T] =",
        "except A, B:",
        "x = t'a' =",
        "[*a",
    ):
        new = f"try:\n    pass\n{line}\n"
        before = reading("a.py", new.encode(), HERE)
        assert before.good or not before.dated, line


NEXT = [
    "type X = int\n",
    "def f[T](x: T) -> T: ...\n",
    "class C[T = int]: ...\n",
    "x = f'{a['b']}'\n",
    "x = f'{a + '''\n  b '''}'\n",
    "x = f'{a + \n  b}'\n",
    "x = f'{a + \"\\n\"}'\n",
    "x = f'''{a + '''b'''}'''\n",
    'g("f", f"{\n  a\n}")\n',
    'x = strftime("%f") + f"{\n a\n}"\n',
    'x = f"}} {a:{b["c"]}}"\n',
    'x = f"{a[\'}\'] + "("}"\n',
    "x = Rf'}} {a + '(' + rF\"{b}\"}'\n",
    "x = f'''{a # it's }\n}'''\n",
    "x = t'{a}'\n",
    "x = t'{a['(']}'\n",
    "try:\n    pass\nexcept A, B:\n    pass\n",
    "lazy import x\n",
    "x = [*y for y in z]\n",
]


@pytest.mark.parametrize("new", NEXT)
@pytest.mark.parametrize("oldest", [None, (3, 8)])
def test_what_newer_versions_read_is_held_against_nobody(new: str, oldest: Version | None) -> None:
    assert fault("a.py", "x = 1\n", new, oldest) is None
    assert fault("a.py", None, new, oldest) is None


def test_strings_that_an_older_python_cannot_tell_from_code() -> None:
    plain, newer = "x = f'{a}'\ny = (\n", "x = f'{a['b']}'\ny = (\n"
    doubled = f"# of\nx = f'}}}}{{{{ {{a[\"b\"]:>{{c}}}}'\n{OPEN}"
    for said in (plain, doubled, "x = f'{a}\n"):
        assert fault("a.py", "x = 1\n", said, running=(3, 11)) is not None, said
    assert fault("a.py", "x = 1\n", newer, running=(3, 11)) is None
    assert fault("a.py", "x = 1\n", newer, (3, 8), running=(3, 11)) is None
    if HERE > F311:
        assert fault("a.py", "x = 1\n", newer) is not None
    assert fault("a.py", "x = 1\n", "x = t''\ny = (\n", running=(3, 13)) is None


def test_a_file_that_is_renamed() -> None:
    assert fault("b.py", "x = 1\n", OPEN, old_path="a.py") == Fault(
        rel_path("b.py"), 1, "'(' was never closed"
    )
    assert fault("b.py", "no code\n", OPEN, old_path="a.txt") == Fault(
        rel_path("b.py"), 1, "'(' was never closed", new=True
    )
    assert fault("b.json", "no code\n", "{", old_path="a.txt") is None


def test_links_binaries_and_deletions_are_not_read() -> None:
    at = rel_path("a.py")
    link = FileChange("add", at, None, None, "n", None, "symlink", 1, 0)
    binary = FileChange("add", at, None, None, "n", None, "file", None, None)
    gone = FileChange("delete", at, None, "o", None, "file", None, 0, 1)
    for change in (link, binary, gone):
        assert Faults().missing(ChangeSet.of([change])) == ()
        assert Faults().of(ChangeSet.of([change])) == ()


def test_what_was_read_in_full_is_not_read_again() -> None:
    at = rel_path("a.py")
    changes = ChangeSet.of([FileChange("modify", at, None, "o", "n", "file", "file", 1, 1)])
    faults = Faults()
    faults.add(at, "o", b"x = 1\n", good=True)
    faults.add(at, "n", b"x = (\n", good=True)  # believed
    assert faults.of(changes) == ()


def test_what_is_too_deep_or_too_long_is_not_judged() -> None:
    assert fault("a.json", "[]", "[" * 100_000) is None
    assert fault("a.py", "x = 1\n", "x = " + "(" * 2000) is None or HERE > F311
    assert fault("a.py", "x = 1\n", OPEN + "# " * 600_000) is None


def _full(piece: str, before: str = "", after: str = "") -> str:
    """A text as large as one that is read."""
    return before + piece * ((LARGEST - len(before) - len(after)) // len(piece)) + after


TRAPS = {
    "comments without an end": ("a.json", _full("/* ")),
    "quotes that do not count": ("a.json", _full('\\"', after="\\")),
    "commas": ("a.json", _full(", ")),
    "what is caught": ("a.py", _full("except ")),
    "prefixes": ("a.py", _full("f'{{a['", "x = (\n")),
    "a long text": ("a.py", _full("{a'", 'x = (\nf"""')),
    "braces": ("a.py", _full("{", 'x = (\nf"""')),
    "a slow encoding": ("a.py", _full("x-", "# coding: punycode\n", "a" * 500_000)),
    "a slow encoding below": ("a.py", _full("x-", "\r# coding: punycode\n", "a" * 500_000)),
    "a text at the margin": ("a.py", _full("a " * 5000 + "\n", '"""\n')),
    "tables": ("a.toml", _full("{", after="}")),
    "texts": ("a.toml", _full('\\"', after="\\")),
    "long texts": ("a.toml", _full("'''\n", "a = 1 b\n")),
    "a key of many parts": ("a.toml", _full("a.", after="a = 1")),
    "a header of many parts": ("a.toml", _full("b = 1\n", f"[{'a.' * 50_000}a]\n")),
    "ticks": ("a.ts", _full("`/*", after=f"\n{MERGED}")),
    "directives": ("a.c", _full("#if  ", after=f"\n{MERGED}")),
    "a long directive": ("a.c", _full(" ", "#if", f"\n{MERGED}")),
    "elements": ("a.xml", _full("<a>")),
}


@pytest.mark.parametrize("why", TRAPS)
def test_no_text_is_read_for_ever(why: str) -> None:
    # Where the work grew with the square of the text, this would take longer than a test may.
    path, text = TRAPS[why]
    assert len(text) <= LARGEST
    assert not reading(path, text.encode(), (3, 11)).good
    form(path, text.encode())


@pytest.mark.parametrize("source", sorted(Path(ast.__file__).parent.glob("[a-m]*.py"))[::3])
def test_good_files_are_good(source: Path) -> None:
    assert reading("a.py", source.read_bytes(), HERE).good


DECLARED = [
    ("pyproject.toml", '[project]\nrequires-python = ">=3.9"', (3, 9)),
    ("pyproject.toml", '[project]\nrequires-python = ">= 3.9, <4, !=3.9.1"', (3, 9)),
    ("pyproject.toml", '[project]\nrequires-python = "~=3.10"', (3, 10)),
    ("pyproject.toml", '[project]\nrequires-python = "==3.11.*"', (3, 11)),
    ("pyproject.toml", '[project]\nrequires-python = ">=3"', (3, 0)),
    ("pyproject.toml", '[project]\nrequires-python = "<4"', None),
    ("pyproject.toml", '[project]\nrequires-python = "3.9.*"', None),
    ("pyproject.toml", '[project]\nrequires-python = 3', None),
    ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.8"', (3, 8)),
    ("pyproject.toml", '[tool.poetry.dependencies]\npython = "~2.7 || ^3.6"', (2, 7)),
    ("pyproject.toml", "[tool.poetry.dependencies]\npython = {version = '3'}", None),
    ("pyproject.toml", "[project", None),
    ("pyproject.toml", "[" + "a." * 50_000 + "a]\n" + "b = 1\n" * 10_000, None),
    ("pyproject.toml", "a = " + "[" * 10_000, None),
    ("setup.cfg", f"[options]\npython_requires = >={'9' * 5000}\n", (999_999_999, 0)),
    ("setup.cfg", "[options]\npython_requires = >=3.7\n", (3, 7)),
    ("setup.py", "setup(python_requires='>=3.6')", (3, 6)),
    ("setup.py", "setup()", None),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "oldest"), DECLARED)
def test_the_oldest_python_that_a_project_works_with(
    path: str, text: str, oldest: Version | None
) -> None:
    order = declarations(rel_path("lib/src/a.py"))
    assert order[0] == "lib/src/pyproject.toml"
    assert order[-1] == "setup.py"
    there = {rel_path(f"lib/{path}"): text.encode()}
    assert floor(there, order) == oldest


def test_the_nearest_project_counts() -> None:
    order = declarations(rel_path("lib/a.py"))
    far = {rel_path("pyproject.toml"): b'[project]\nrequires-python = ">=3.1"'}
    near = {rel_path("lib/setup.py"): b"setup(python_requires='>=3.6')"}
    silent = {rel_path("lib/setup.py"): b"setup()"}
    assert floor({**far, **near}, order) == (3, 6)
    assert floor({**far, **silent}, order) == (3, 1)
    assert floor({}, order) is None
