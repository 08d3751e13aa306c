"""What an ACP agent may do is decided by what it does, never by what it calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massgen_ls.adapters.agents.acp.permits import Permit
from massgen_ls.core.permissions import Action, Decision, Permissions, judge
from massgen_ls.core.task import RunId
from massgen_ls.ports import Access, Place

OPTIONS = [{"optionId": "yes", "kind": "allow_once"}, {"optionId": "no", "kind": "reject_once"}]
ACCESS = Access("http://127.0.0.1:1/mcp", "t", "massgen", ("submit_summary", "vote"))


async def chosen(tmp_path: Path, rule: Permissions, call: dict[str, Any]) -> str:
    async def approve(action: Action) -> Decision:
        return judge(action, rule, confined=False)

    top = str(tmp_path / "w")
    place = Place(top, top, str(tmp_path / "h"), RunId("r"), 1.0, access=ACCESS, approve=approve)
    told = {"toolCall": {"toolCallId": "1", **call}, "options": OPTIONS}
    answer: Any = await Permit(place, judging=False).decide(told)
    return answer["outcome"]["optionId"]


@pytest.mark.parametrize(
    "title",
    ["mcp__massgen__submit_summary", "vote (massgen MCP Server)", "massgen/vote", "massgen: vote"],
)
async def test_our_own_tools_need_no_leave(tmp_path: Path, title: str) -> None:
    for kind in ("other", ""):
        call = {"title": title, "kind": kind} if kind else {"title": title}
        assert await chosen(tmp_path, Permissions("deny"), call) == "yes"


@pytest.mark.parametrize(
    "call",
    [
        {"title": "rm -rf ~ # massgen submit_summary", "kind": "execute"},
        {"title": "massgen x; rm -rf ~", "kind": "execute"},
        {"title": "mcp__massgen__vote", "kind": "execute", "rawInput": {"command": "rm -rf ~"}},
        {"title": "mcp__massgen__vote", "kind": "edit", "locations": [{"path": "a.py"}]},
        {"title": "massgen vote", "kind": "other", "locations": [{"path": "/etc/passwd"}]},
        {"title": "please vote massgen now", "kind": "other"},
        {"title": "massgen wipe", "kind": "other"},
        {"title": "edit", "kind": "edit", "locations": [{"path": "/home/u/massgen/vote.py"}]},
        {"title": "edit", "kind": "edit", "locations": [{"path": "a\0b"}]},
        {"title": "edit", "kind": "edit", "locations": [{"path": "\ud800"}]},
    ],
)
async def test_a_name_in_a_title_allows_nothing(tmp_path: Path, call: dict[str, Any]) -> None:
    assert await chosen(tmp_path, Permissions("deny"), call) == "no"


async def test_leave_for_one_file_is_no_leave_for_another(tmp_path: Path) -> None:
    rule = Permissions("auto", deny=("edit:.github/*",))
    diffs = [
        {"type": "diff", "path": name, "oldText": "a", "newText": "b"}
        for name in ("ok.py", ".github/x.yml")
    ]
    call = {"title": "edit", "kind": "edit", "content": diffs}
    assert await chosen(tmp_path, rule, call) == "no"
    assert await chosen(tmp_path, rule, {**call, "content": diffs[:1]}) == "yes"
