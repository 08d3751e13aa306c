"""What the pointer is told about who has the last word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from massgen_ls.config import Beside
from massgen_ls.config.assist.standing import standing
from massgen_ls.config.problems import Where

USERS = """\
agents:
  - id: mine
    backend: {type: command, argv: [fixer], timeout: 60}
  - {id: other, backend: {type: command, argv: [x]}}
orchestrator: {timeout: 5, mode: consensus}
"""
PROJECT = """\
agents: [{id: mine, backend: {timeout: 30}}]
checks: [{name: tests, argv: [pytest]}]
orchestrator: {timeout: 7, quorum: 1, sandbox: auto}
profiles:
  ci: {orchestrator: {timeout: 8}}
"""
TIMEOUT: Where = ("orchestrator", "timeout")
MINE: Where = ("agents", 0, "backend", "timeout")
CI: Where = ("profiles", "ci", "orchestrator", "timeout")
VARIABLE = {"MASSGEN_ORCHESTRATOR__TIMEOUT": "9"}
OVER = "In effect, over"
SETTINGS = {"settings": {"orchestrator": {"timeout": 10}}}


@pytest.mark.parametrize(
    ("file", "where", "beside", "said"),
    [
        ("project", TIMEOUT, {}, f"{OVER} `5` of your own configuration (`config.yaml:5`)."),
        ("project", ("orchestrator", "quorum"), {}, "In effect: no other layer says it."),
        ("project", MINE, {}, f"{OVER} `60` of your own configuration (`config.yaml:3`)."),
        ("project", ("checks", 0, "argv"), {}, "In effect: no other layer says it."),
        ("project", CI, {}, "Counts when the profile `ci` is chosen."),
        ("project", CI, {"profile": "ci"}, "In effect, over `7` of the project (`massgen.yaml:3`) "
         "and `5` of your own configuration (`config.yaml:5`)."),
        ("project", TIMEOUT, {"profile": "ci"},
         "Not in effect: a profile (`massgen.yaml:5`) says `8`."),
        ("project", TIMEOUT, SETTINGS, "Not in effect: the editor's settings says `10`."),
        ("project", TIMEOUT, {**SETTINGS, "environ": VARIABLE},
         "Not in effect: a variable (`MASSGEN_ORCHESTRATOR__TIMEOUT`) says `9`."),
        ("user", MINE, {}, "In effect: no other layer says it."),
        ("user", ("orchestrator", "mode"), {}, "In effect: no other layer says it."),
        ("project", ("orchestrator",), {}, ""),
        ("project", ("agents", 0), {}, ""),
        ("project", ("include",), {}, ""),
    ],
)  # fmt: skip
def test_who_has_the_last_word(
    tmp_path: Path, file: str, where: Where, beside: dict[str, Any], said: str
) -> None:
    home, repo = tmp_path / "home", tmp_path / "repo"
    users = home / ".config/massgen/config.yaml"
    users.parent.mkdir(parents=True)
    users.write_text(USERS)
    (repo / ".git").mkdir(parents=True)
    (repo / "massgen.yaml").write_text(PROJECT)
    environ = {"HOME": str(home), **beside.pop("environ", {})}
    looked = {"project": repo / "massgen.yaml", "user": users}[file]
    assert standing(repo, looked, where, Beside(environ=environ, **beside)) == said


def test_an_agent_that_is_not_chosen(tmp_path: Path) -> None:
    team = "agents: [{id: near, backend: {type: codex}}]"
    (tmp_path / "include.yaml").write_text(team.replace("near", "far"))
    (tmp_path / "massgen.yaml").write_text(f"include: include.yaml\n{team}")
    where: Where = ("agents", 0, "backend", "type")
    told = standing(tmp_path, tmp_path / "include.yaml", where, Beside({"HOME": str(tmp_path)}))
    assert told == "Not in effect: the project (`massgen.yaml:2`) chooses other agents."
