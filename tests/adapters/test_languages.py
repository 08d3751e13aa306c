"""Grammars of languages: there, or not, and never a reason to fail."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from massgen_ls.adapters.languages.trees import TreeSitter
from massgen_ls.cli.doctor import languages_health
from massgen_ls.core.syntax import LANGUAGES


def test_every_language_is_read_where_the_extra_is_installed() -> None:
    assert set(TreeSitter().languages()) == set(LANGUAGES.values())
    assert languages_health().mark == "ok"
    nodes = TreeSitter()("go", b"package a\n")
    assert nodes is not None
    assert nodes[0] == (0, "source_file", 0, 10)
    assert (2, "package_identifier", 8, 9) in nodes


def test_a_text_with_an_error_has_no_tree() -> None:
    for text in (b"package", b"package a\nfunc f() {", b"package a\n)", b"\xff\0"):
        assert TreeSitter()("go", text) is None


@pytest.mark.parametrize("package", ["tree_sitter", "tree_sitter_go"])
def test_what_is_not_installed_is_not_read(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    trees = TreeSitter()
    assert trees("go", b"package a\n") is None
    assert ("java" in trees.languages()) == (package != "tree_sitter")
    if package == "tree_sitter":
        finding = languages_health()
        assert finding.mark == "note"
        assert "massgen-ls[languages]" in finding.hint


def test_a_grammar_of_another_time_is_told_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tree_sitter_go", ModuleType("tree_sitter_go"))
    trees = TreeSitter()
    assert trees("go", b"package a\n") is None
    assert trees("go", b"package a\n") is None
    assert [record.message for record in caplog.records] == [
        "the grammar of tree_sitter_go cannot be used: "
        "module 'tree_sitter_go' has no attribute 'language'"
    ]
