"""Laws of readers: they never raise, and what tools read is fine, however it is written."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.faults import Faults
from massgen_ls.core.reading import reading

PATHS = ["a.py", "a.pyi", "a.json", "package.json", "a.ipynb", "a.toml", "a.xml", "a.ts", "a.rs"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
between = st.sampled_from(["", " ", "\n", "// why\n", '/* a\n, ] } " */', "\t"])


@given(st.sampled_from(PATHS), st.binary(max_size=60))
@example("a.py", b"# coding: nonsense\nx = (\n")
@example("a.py", b"# coding: rot13\nk = (\n")
@example("a.py", b"# coding: utf-16\nx = (\n")
@example("a.py", b"\xff\xfex\x00")
@example("a.py", b"x = 1\n" + b"9" * 5000)
@example("a.py", b"x = \\\n")
@example("a.xml", b'<?xml version="1.0" encoding="nonsense"?><a>')
@example("a.xml", b'<?xml version="1.0" encoding="utf-7"?><a>')
@example("a.xml", b'<?xml version="1.0" encoding="shift_jis"?><a>')
@example("a.toml", b"a = " + b"9" * 5000)
@example("a.toml", b"a = " + b"[" * 5000)
@example("a.toml", b"a = 2024-99-99")
@example("a.json", b"[" * 5000)
@example("a.json", b"9" * 5000 + b" [")
@example("a.json", b"\x00[\x00\xd8")
def test_no_reader_raises_and_a_fault_can_be_told(path: str, content: bytes) -> None:
    found = reading(path, content, (3, 11))
    assert not (found.good and (found.always or found.dated))
    assert found.line <= content.count(b"\n") + content.count(b"\r") + 1
    assert found.message or not (found.always or found.dated)
    assert found.message.isprintable()


@given(values, st.data())
def test_json_of_any_kind_is_read(value: object, data: st.DataObject) -> None:
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 0, 2])))
    assert reading("package.json", text.encode(), (3, 11)).good
    # Between any two marks of it, comments and blanks; at the end of lists, commas.
    out, inside, before = "", False, ""
    for char in text:
        if inside:
            inside = char != '"' or before == "\\"
        else:
            if char in "]}" and out.rstrip()[-1:] not in ("[", "{", ""):
                out += data.draw(st.sampled_from(["", ","]))
            out += data.draw(between) if char in '[]{},:"' else ""
            inside = char == '"'
        out += char
        before = "" if before == "\\" else char
    for written in (out, f"{out}\n{out}\n"):
        found = reading("a.json", written.encode(), (3, 11))
        assert found.good or not found.always, written


gaps = st.sampled_from(["", " ", "\n", "\r\n", " # {\n", ' # }, " a\n', " # '''\n"])
names = st.sampled_from(["a", "b.c", '"}"', "'{'", '"#"', '"\\"{"'])
said = st.sampled_from(
    ["1", '"}"', "'{'", '"#{"', '"\\\\"', "'\\'", '"""\n}""\\""""""', "'''\n{'''''", '""', '""""""']
)
inline = st.recursive(
    said,
    lambda inner: st.tuples(
        st.sampled_from(["{}", "[]"]),
        st.lists(st.tuples(names, inner), max_size=3),
        st.lists(gaps, min_size=4, max_size=4),
        st.booleans(),
    ).map(lambda parts: _as_toml(*parts)),
    max_leaves=6,
)


def _as_toml(ends: str, members: list[tuple[str, str]], gaps: list[str], comma: bool) -> str:
    """A table or a list of TOML 1.1 on any number of lines."""
    first, before, after, last = gaps
    named = [f"{name} = {value}" if ends == "{}" else value for name, value in members]
    inside = f"{before},{after}".join(named) + ("," if comma and named else "")
    return f"{ends[0]}{first}{inside}{last}{ends[1]}"


@given(st.lists(inline, max_size=4))
def test_tables_of_several_lines_are_held_against_nobody(found: list[str]) -> None:
    text = "".join(f"a{n} = {value}\n" for n, value in enumerate(found))
    read = reading("a.toml", text.encode(), (3, 11))
    assert read.good or not read.always or "Cannot" in read.message or "Duplicate" in read.message


@given(values, values, st.integers(0, 40))
def test_what_is_cut_off_is_no_json(value: object, other: object, end: int) -> None:
    text = json.dumps({"a": [value, other]})
    cut = text[: max(2, min(end, len(text) - 1))]
    assert reading("package.json", cut.encode(), (3, 11)).always


@given(st.sampled_from(PATHS), st.binary(max_size=30), st.binary(max_size=30))
def test_what_the_base_does_not_read_is_held_against_nobody(
    path: str, old: bytes, new: bytes
) -> None:
    at, faults = rel_path(path), Faults((3, 11))
    change = FileChange("modify", at, None, "o", "n", "file", "file", 1, 1)
    changes = ChangeSet.of([change])
    contents = {"o": old, "n": new}
    for where, oid in faults.missing(changes):
        faults.add(where, oid, contents[oid])
    if not reading(path, old, (3, 11)).good:
        assert faults.of(changes, {at: (3, 0)}) == ()
    assert set(faults.of(changes)) <= set(faults.of(changes, {at: (3, 0)}))
