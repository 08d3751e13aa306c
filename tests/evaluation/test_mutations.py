"""Versions of a fix: what is made of it, and always the same by the same seed."""

from __future__ import annotations

import ast
import random

import pytest

from massgen_ls.core.normal import form
from massgen_ls.evaluation.mutations import restyled, reworded, slips, versions

BASE = {
    "m.py": '''"""A module."""


def first(items):
    return items[1]


def untouched(a, b):
    """Stays."""
    if a < b and a:
        return max(a, b)
    return 0


def last(items):
    return items[0]
'''
}
FIX = {"m.py": BASE["m.py"].replace("items[1]", "items[2 - 2]").replace("[0]", "[-1]")}


def made(seed: int, most: int = 40) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    return [(v.how, v.files["m.py"]) for v in versions(BASE, FIX, chance, most)]


def test_versions_differ_from_the_base_the_fix_and_each_other() -> None:
    found = made(0)
    forms = [form("m.py", text.encode()) for _, text in found]
    known = {form("m.py", text.encode()) for text in (BASE["m.py"], FIX["m.py"])}
    assert len(found) > 10
    assert len({*forms, *known}) == len(forms) + 2
    for _, text in found:
        ast.parse(text)


def test_the_seed_decides_and_nothing_else() -> None:
    assert made(3) == made(3)
    assert made(3) != made(4)
    assert made(3, 5) == made(3)[:5]


def test_every_kind_of_version_is_there() -> None:
    told = " | ".join(how for how, _ in made(0))
    for kind in ("left out", "became", "was lost", "outside of the fix"):
        assert kind in told


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a = b < c\n", "a = b <= c\n"),
        ("if é == 1 and b: pass\n", "if é == 1 or b: pass\n"),
        ("x = 'é'; y = not z\n", "x = 'é'; y = (z)\n"),
        ("f(a, b)\n", "f(b, a)\n"),
        ("x = True\n", "x = False\n"),
        ("def f():\n    return 1\n", "def f():\n    return None\n"),
        ("if a in b: c()\n", "if a not in b: c()\n"),
        ("raise ValueError\n", "pass\n"),
        ("if a: b\n", "if not (a): b\n"),
    ],
)
def test_slips(text: str, made: str) -> None:
    assert made in [edit.of(text) for edit, _ in slips(text)]


def test_docstrings_are_left_alone() -> None:
    assert list(slips('"""Text."""\n')) == []
    assert list(slips("this is no Python (\n")) == []


def test_another_layout_is_another_text_with_the_same_meaning() -> None:
    chance = random.Random(1)
    (text,) = restyled(BASE, FIX, chance).values()
    assert text != FIX["m.py"]
    assert form("m.py", text.encode()) == form("m.py", FIX["m.py"].encode())


def test_what_has_no_place_for_a_comment_stays() -> None:
    base, new = {"m.py": "x = '''\na\n'''\n"}, {"m.py": "x = '''\nb\n'''\n"}
    assert restyled(base, new, random.Random(1)) == new


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("    return f(a)", "    outcome = f(a)\n    return outcome"),
        ("    x = a < b", "    x = b > a"),
        ("    if a: pass", "    if bool(a): pass"),
        ("    x = a and b", "    x = not (not (a) or not (b))"),
        ("    return 1", "    return 1"),
    ],
)
def test_other_words(line: str, made: str) -> None:
    base, new = {"m.py": "def g(a, b):\n    pass\n"}, {"m.py": f"def g(a, b):\n{line}\n"}
    assert reworded(base, new, random.Random(0)) == {"m.py": f"def g(a, b):\n{made}\n"}
