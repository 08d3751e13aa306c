"""Which paths may become edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.errors import UnsafePathError


@pytest.mark.parametrize(
    "path",
    [
        "a", "a/b.py", ".gitignore", ".github/x", "a.git/b", "git", "new\nline", "tab\tname", "ü",
        "bad\udcffbyte", "..a", "a..", "...", "back\\slash", "a:1-2", "C:d",
        ".gitmodules", "gitx~1",
    ],
)  # fmt: skip
def test_ordinary_and_odd_names_are_paths(path: str) -> None:
    assert rel_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/etc/passwd", "..", ".", "a/../b", "a/./b", "a//b", "a/", "../x", "nul\0",
        ".git", ".git/config", ".GIT/hooks/post-checkout", "a/.git/x", ".git./x", ".git /x",
        "git~1", "GIT~1/config", ".g\u200cit/config", ".git::$INDEX_ALLOCATION/x", "C:/x", "c:\\x",
        "a\\.git\\config", "\u200d.git",
    ],
)  # fmt: skip
def test_what_escapes_or_reads_as_git_is_refused(path: str) -> None:
    with pytest.raises(UnsafePathError):
        rel_path(path)


@given(st.text())
def test_whatever_is_accepted_stays_below(path: str) -> None:
    try:
        checked = rel_path(path)
    except UnsafePathError:
        return
    parts = checked.split("/")
    assert ".." not in parts
    assert not checked.startswith("/")
    assert ".git" not in {part.lower() for part in parts}


def test_equal_sets_are_equal_whatever_the_order() -> None:
    one = FileChange("add", rel_path("a"), added=2, removed=0)
    two = FileChange("rename", rel_path("c"), rel_path("b"), added=1, removed=1)
    picture = FileChange("add", rel_path("x.png"), new_type="file")
    assert ChangeSet.of([one, two]) == ChangeSet.of([two, one])
    assert ChangeSet.of([one, two]).size == 4
    assert ChangeSet.of([picture]).size == 100
    assert picture.binary
    assert ChangeSet.of([two, one]).paths() == ("a", "b", "c")
    assert not ChangeSet()
