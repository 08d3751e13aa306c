"""Tests as the authors of wrong versions might have brought them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.evaluation.owntests import SEEN, function_of, pasted, watched, without

FILES = {
    "tests/test_m.py": """import unittest

import pytest


def add(a, b):
    return a * b


@pytest.mark.parametrize("n", [3, 4])
def test_many(n):
    assert add(n, n) == 2 * n


def test_text():
    assert "ä" + str(add(1, 2)) == "ä3"


class TestAdd(unittest.TestCase):
    def test_method(self):
        self.assertEqual(add(2, 3), 5)

    def test_other(self):
        assert add(0, 0) == 0
"""
}
MODULE = "tests.test_m"


def test_functions_are_left_out_with_their_decorators() -> None:
    text = without(FILES, {f"{MODULE}::test_many", f"{MODULE}.TestAdd::test_method"})
    body = text["tests/test_m.py"]
    assert "parametrize" not in body
    assert "test_method" not in body
    assert "test_text" in body
    assert "test_other" in body


def test_a_class_is_not_emptied() -> None:
    both = {f"{MODULE}.TestAdd::test_method", f"{MODULE}.TestAdd::test_other"}
    assert without(FILES, both) == FILES


def test_results_are_pasted_where_they_are_always_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tests = {f"{MODULE}::test_many", f"{MODULE}::test_text", f"{MODULE}.TestAdd::test_method"}
    names: dict[str, Any] = {}
    exec(watched(FILES, tests)["tests/test_m.py"], names)
    for n in (3, 4):
        with pytest.raises(AssertionError):
            names["test_many"](n)
    with pytest.raises(AssertionError):
        names["test_text"]()
    with pytest.raises(AssertionError):
        names["TestAdd"]("test_method").test_method()
    body = pasted(FILES, (tmp_path / SEEN).read_text())["tests/test_m.py"]
    assert "assert \"ä\" + str(add(1, 2)) == 'ä2'" in body
    assert "self.assertEqual(add(2, 3), 6)" in body
    assert "assert add(n, n) == 2 * n" in body, "it was 9 and 16: no one literal says that"
    assert "assert add(0, 0) == 0" in body, "nobody asked about it"
    assert os.listdir(tmp_path) == [SEEN]


def test_parameters_are_no_part_of_a_function() -> None:
    assert function_of("tests.test_m.TestA::test_b[x-1]") == "tests.test_m.TestA::test_b"
