"""What the plug-in makes of edits, in a real Neovim; the server is a stand-in inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.stand import apply, change, sent, served, shown, version

pytestmark = pytest.mark.e2e


def test_an_edit_lands_in_all_buffers_and_one_undo_takes_it_back_in_each(
    neovim: Open, project: Path
) -> None:
    one, two = project / "one.py", project / "two.py"
    nvim = served(neovim(), one, two)
    nvim.keys("Gotyped before<Esc>")
    before = {file: shown(nvim, file) for file in (one, two)}
    answer = apply(
        nvim,
        change(one, version(nvim, one), (0, 1, "first\n"), (10, 12, ""), (20, 20, "last\n")),
        change(two, version(nvim, two), (0, 0, "# top\n"), (5, 6, "sixth\n")),
    )
    assert answer == {"applied": True}
    after = {file: shown(nvim, file) for file in (one, two)}
    assert after[one] == ["first", *before[one][1:10], *before[one][12:], "last"]
    assert after[two] == ["# top", *before[two][:5], "sixth", *before[two][6:]]
    for file in (one, two):
        nvim.command(f"buffer {file}")
        assert nvim.lua("return vim.bo.modified")
        nvim.keys("u")
        assert shown(nvim, file) == before[file]
    nvim.keys("<C-r>")
    assert shown(nvim, two) == after[two]
    assert one.read_text().startswith("one_1 = 1\n")


def test_an_edit_in_the_middle_of_typing_is_an_undo_step_of_its_own(
    neovim: Open, project: Path
) -> None:
    one = project / "one.py"
    nvim = served(neovim(), one)
    start = shown(nvim)
    nvim.keys("Otyping")
    assert nvim.lua("return vim.api.nvim_get_mode().mode") == "i"
    answer = apply(
        nvim, change(one, version(nvim, one), (3, 4, "agent\n"), (20, 21, "agent too\n"))
    )
    assert answer == {"applied": True}
    nvim.keys(" goes on<CR>and on<Esc>")
    landed = shown(nvim)
    assert landed[:3] == ["typing goes on", "and on", start[0]]
    assert (landed[4], landed[-1]) == ("agent", "agent too")
    nvim.keys("u")
    assert shown(nvim)[:2] == ["typing", start[0]]
    assert shown(nvim)[3] == "agent"
    nvim.keys("u")
    assert shown(nvim) == ["typing", *start]
    nvim.keys("u")
    assert shown(nvim) == start


def test_an_edit_for_text_that_has_moved_on_is_refused_whole(neovim: Open, project: Path) -> None:
    one, two = project / "one.py", project / "two.py"
    nvim = served(neovim(), one, two)
    stale = version(nvim, two)
    nvim.keys("ggOnewer<Esc>")
    before = shown(nvim, one), shown(nvim, two)
    answer = apply(
        nvim,
        change(one, version(nvim, one), (0, 1, "first\n")),
        change(two, stale, (0, 1, "wrong place\n")),
    )
    assert answer == {"applied": False, "failureReason": "two.py has changed meanwhile"}
    assert (shown(nvim, one), shown(nvim, two)) == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ([{"kind": "create", "uri": "two.py"}], "two.py exists already"),
        ([{"kind": "rename", "oldUri": "one.py", "newUri": "two.py"}], "two.py exists already"),
        ([{"kind": "rename", "oldUri": "none.py", "newUri": "new.py"}], "none.py is gone"),
        ([{"kind": "delete", "uri": "folder"}], "folder is a folder"),
        ([{"kind": "splice", "uri": "two.py"}], "Neovim cannot splice files"),
        ([{"textDocument": {"uri": "none.py"}, "edits": []}], "none.py is gone"),
    ],
)
def test_file_operations_that_would_lose_something_are_refused_before_anything_is_done(
    neovim: Open, project: Path, changes: list[dict[str, Any]], reason: str
) -> None:
    (project / "folder").mkdir()
    one = project / "one.py"
    nvim = served(neovim(), one)

    def absolute(node: Any) -> Any:
        match node:
            case dict():
                return {
                    key: (project / each).as_uri()
                    if key.lower().endswith("uri")
                    else absolute(each)
                    for key, each in node.items()
                }
            case _:
                return node

    first = change(one, version(nvim, one), (0, 1, "first\n"))
    files = {path: path.read_bytes() for path in project.glob("*.py")}
    answer = apply(nvim, first, *map(absolute, changes))
    assert answer == {"applied": False, "failureReason": reason}
    assert shown(nvim)[0] == "one_1 = 1"
    assert {path: path.read_bytes() for path in project.glob("*.py")} == files


def test_files_are_created_renamed_and_deleted_and_no_formatter_comes_between(
    neovim: Open, project: Path
) -> None:
    old, new = project / "old_name.py", project / "sub" / "new_name.py"
    nvim = served(neovim(), project / "gone.py", old)
    nvim.lua(
        """
        vim.api.nvim_create_autocmd('BufWritePre', {
          callback = function() vim.api.nvim_buf_set_lines(0, 0, 0, false, { 'formatted' }) end,
        })
        """
    )
    nvim.keys("Gonot saved<Esc>")
    before = shown(nvim)
    fresh = project / "fresh.py"
    answer = apply(
        nvim,
        {"kind": "rename", "oldUri": old.as_uri(), "newUri": new.as_uri()},
        {"kind": "create", "uri": fresh.as_uri()},
        change(fresh, None, (0, 0, "made = 1\nby = 'agents'\n")),
        change(new, None, (0, 1, "moved = 2\n")),
        {"kind": "delete", "uri": (project / "gone.py").as_uri()},
    )
    assert answer == {"applied": True}
    assert not old.exists()
    assert not (project / "gone.py").exists()
    assert shown(nvim, new) == ["moved = 2", *before[1:]]
    assert shown(nvim, fresh) == ["made = 1", "by = 'agents'"]
    assert nvim.lua("return vim.fn.bufloaded(...)", str(project / "gone.py")) == 0
    nvim.command(f"buffer {new}")
    nvim.keys("u")
    assert shown(nvim, new) == before
    # What follows is about the new name.
    opened = [each["textDocument"]["uri"] for each in sent(nvim, "textDocument/didOpen", 4)]
    assert {new.as_uri(), fresh.as_uri()} <= set(opened)
