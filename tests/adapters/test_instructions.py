"""What a repository tells agents is read from the worktree alone, within bounds."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from massgen_ls.adapters.agents.attempt.instructions import instructions
from massgen_ls.core.task import RunId
from massgen_ls.ports import Place

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("CLAUDE.md", "AGENTS.md")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    tree = tmp_path / "tree"
    (tree / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "secret.md").write_text("SECRET")
    return Place(str(tree), str(tree), str(tmp_path / "home"), RunId("r"), 10.0)


def write(place: Place, name: str, text: str | bytes) -> Path:
    path = Path(place.path) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_nothing_there_is_nothing_said(place: Place) -> None:
    assert instructions(place, NAMES) == ""


def test_from_the_top_down_to_the_folder_the_first_name_counts(place: Place) -> None:
    write(place, "AGENTS.md", "top\n")
    write(place, "sub/CLAUDE.md", "for claude\n")
    write(place, "sub/AGENTS.md", "for all\n")
    write(place, "sub/deep/AGENTS.md", "\n deep \n")
    write(place, "other/AGENTS.md", "elsewhere")
    below = replace(place, folder=os.path.join(place.path, "sub", "deep"))
    assert instructions(below, NAMES) == (
        "The repository's AGENTS.md says:\n\ntop\n\n"
        "The repository's sub/CLAUDE.md says:\n\nfor claude\n\n"
        "The repository's sub/deep/AGENTS.md says:\n\ndeep"
    )
    assert instructions(place, NAMES) == "The repository's AGENTS.md says:\n\ntop"


def test_they_can_be_switched_off(place: Place) -> None:
    write(place, "AGENTS.md", "top")
    assert instructions(replace(place, instructions=False), NAMES) == ""


def test_an_empty_file_lets_the_next_name_speak(place: Place) -> None:
    write(place, "CLAUDE.md", " \n")
    write(place, "AGENTS.md", "top")
    assert instructions(place, NAMES).endswith("\n\ntop")


def test_imports_are_brought_in_from_where_they_stand(place: Place) -> None:
    write(place, "AGENTS.md", "a\n@sub/b.md\n\nmail me@sub/b.md\n @sub/b.md\nz\r\n")
    write(place, "sub/b.md", "b\n@deep/c.md\r\nd\n")
    write(place, "sub/deep/c.md", "c")
    said = instructions(place, ["AGENTS.md"]).partition("\n\n")[2]
    assert said == "a\nb\nc\nd\n\n\nmail me@sub/b.md\n @sub/b.md\nz"


@pytest.mark.parametrize(
    "named",
    [
        "../secret.md", "/etc/passwd", "~/x.md", "missing.md", "sub", "a\0b", "x" * 5_000,
        "sub/../../secret.md", "link.md", "dir/secret.md", "\ud800",
    ],
)  # fmt: skip
def test_what_may_not_be_brought_in_stays_as_it_is_written(place: Place, named: str) -> None:
    outside = Path(place.path).parent
    (Path(place.path) / "link.md").symlink_to(outside / "secret.md")
    (Path(place.path) / "dir").symlink_to(outside)
    line = f"@{named}".encode("utf-8", "surrogatepass")
    write(place, "AGENTS.md", b"before\n" + line + b"\nafter")
    said = instructions(place, NAMES)
    assert said.endswith(f"before\n{line.decode('utf-8', 'replace')}\nafter")
    assert "SECRET" not in said
    assert "root:" not in said


def test_a_file_that_leads_outside_is_not_read(place: Place) -> None:
    (Path(place.path) / "AGENTS.md").symlink_to(Path(place.path).parent / "secret.md")
    (Path(place.path) / "CLAUDE.md").symlink_to("/dev/zero")
    assert instructions(place, NAMES) == ""


def test_a_link_inside_is_read(place: Place) -> None:
    write(place, "docs/rules.md", "rules")
    (Path(place.path) / "AGENTS.md").symlink_to("docs/rules.md")
    assert instructions(place, NAMES).endswith("\n\nrules")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_what_is_no_file_is_not_waited_for(place: Place) -> None:
    os.mkfifo(os.path.join(place.path, "CLAUDE.md"))
    (Path(place.path) / "AGENTS.md").mkdir()
    assert instructions(place, NAMES) == ""


def test_a_circle_ends(place: Place) -> None:
    write(place, "AGENTS.md", "one\n@two.md\n")
    write(place, "two.md", "two\n@AGENTS.md\n@two.md\n")
    said = instructions(place, NAMES).partition("\n\n")[2]
    assert said == "one\ntwo\n@AGENTS.md\n@two.md"


def test_a_chain_ends_after_five(place: Place) -> None:
    for i in range(9):
        write(place, f"{i}.md", f"<{i}>\n@{i + 1}.md\n")
    write(place, "AGENTS.md", "@0.md")
    said = instructions(place, NAMES)
    assert "<4>" in said
    assert "<5>" not in said
    assert "@5.md" in said


def test_bytes_that_are_no_text_are_shown_as_such(place: Place) -> None:
    write(place, "AGENTS.md", b"\xff\xfehi")
    assert instructions(place, NAMES).endswith("\ufffd\ufffdhi")


def test_a_huge_file_is_cut(place: Place) -> None:
    write(place, "AGENTS.md", b"x" * (5 << 20))
    assert 64 * 1024 <= len(instructions(place, NAMES)) <= 65 * 1024


COUNTING = """
import sys
from massgen_ls.adapters.agents.attempt.instructions import instructions
from massgen_ls.ports import Place

opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
top = sys.argv[1]
said = instructions(Place(top, top, top, "r", 1.0), ["AGENTS.md"])
print(len(said), sum(name.startswith(top + "/part") for name in opened))
"""


def test_very_many_imports_read_no_more_than_is_kept(place: Place) -> None:
    for i in range(100):
        write(place, f"part{i}", "y" * 70_000)
    write(place, "AGENTS.md", "".join(f"@part{i}\n" for i in range(100)))
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, place.path],
        capture_output=True, check=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    said, opened = map(int, done.stdout.split())
    assert 192 * 1024 <= said <= 193 * 1024
    assert opened == 3


def test_many_folders_together_keep_to_the_bound(place: Place) -> None:
    folder = Path(place.path)
    for i in range(6):
        folder = folder / f"f{i}"
        write(place, str(folder.relative_to(place.path) / "AGENTS.md"), "z" * 60_000)
    said = instructions(replace(place, folder=str(folder)), NAMES)
    assert said.count("z") == 192 * 1024


def test_a_folder_outside_of_the_worktree_is_not_looked_into(place: Place) -> None:
    home = Path(place.home)
    (home / "AGENTS.md").write_text("SECRET")
    assert instructions(replace(place, folder=str(home)), NAMES) == ""
