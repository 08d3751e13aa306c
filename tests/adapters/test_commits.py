"""Commits written without git are those that git would write."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_ls.adapters.git.commits import write_commit
from massgen_ls.core.errors import StorageError
from tests.fakes.repositories import UserRepo

BY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (
        ("NAME", "massgen-ls"),
        ("EMAIL", "massgen-ls@localhost"),
        ("DATE", "1000000000 +0000"),
    )
}


@pytest.mark.parametrize("objects", ["sha1", "sha256"])
@pytest.mark.parametrize("message", ["one line", "ünï\n\nmore\n", "a lone \udcff surrogate", ""])
def test_a_commit_is_the_one_of_git(tmp_path: Path, objects: str, message: str):
    repo = UserRepo(tmp_path / "repo", tmp_path)
    repo.top.mkdir()
    repo.git("init", "-q", f"--object-format={objects}")
    git_dir = str(repo.top / ".git")
    repo.environ.update(BY)
    tree = repo.git("write-tree").strip()
    said = message.encode("utf-8", "replace") + b"\n"
    parents: list[str] = []
    for _ in range(3):
        made = write_commit(git_dir, tree, parents, message)
        repo.git("fsck", "--strict", made)
        named = [word for oid in parents for word in ("-p", oid)]
        assert repo.git("commit-tree", tree, *named, "-F", "-", stdin=said).strip() == made
        assert write_commit(git_dir, tree, parents, message) == made
        parents.append(made)


def test_a_store_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "objects").write_text("a file where a folder should be")
    with pytest.raises(StorageError):
        write_commit(str(tmp_path), "0" * 40, [], "no")
