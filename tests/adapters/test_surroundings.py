"""An agent's program sees what is allowed of our environment, and a home of its own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from massgen_ls.adapters.agents.program.surroundings import (
    NETWORK,
    PASSED_ON,
    Surroundings,
    make_home,
)
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.ports import Place

OURS = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "HOME": "/home/user",
    "USER": "user",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "SECRET_KEY": "s3cret",
    "KEY": "k",
    "EMPTY": "",
    "HTTPS_PROXY": "http://proxy",
    "XDG_CONFIG_HOME": "/home/user/.config",
}
PLACE = Place("/tree", "/tree/sub", "/private", RunId("run-1"), 10.0)
AROUND = Surroundings(OURS, "/venv/bin/python")


def test_the_environment_is_complete_and_holds_nothing_else() -> None:
    assert AROUND.env(PLACE, SeatId("one"), ["KEY", "EMPTY", "NOT_SET"]) == {
        "PATH": f"/venv/bin{os.pathsep}/usr/bin",
        "LANG": "C.UTF-8",
        "KEY": "k",
        "EMPTY": "",
        "TERM": "dumb",
        "HOME": "/private",
        "TMPDIR": "/private/tmp",
        "XDG_CONFIG_HOME": "/private/.config",
        "XDG_CACHE_HOME": "/private/.cache",
        "XDG_DATA_HOME": "/private/.local/share",
        "XDG_STATE_HOME": "/private/.local/state",
        "XDG_RUNTIME_DIR": "/private/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MASSGEN_RUN": "run-1",
        "MASSGEN_SEAT": "one",
        "GIT_AUTHOR_NAME": "massgen agent",
        "GIT_AUTHOR_EMAIL": "agent@massgen.invalid",
        "GIT_COMMITTER_NAME": "massgen agent",
        "GIT_COMMITTER_EMAIL": "agent@massgen.invalid",
        "GIT_TERMINAL_PROMPT": "0",
    }


@pytest.mark.parametrize("name", ["HOME", "TMPDIR", "PATH", "MASSGEN_SEAT", "XDG_CONFIG_HOME"])
def test_no_name_that_is_asked_for_moves_its_home(name: str) -> None:
    plain = AROUND.env(PLACE, SeatId("one"), [])
    assert AROUND.env(PLACE, SeatId("one"), [name])[name] == plain[name]


def test_the_network_of_a_company_is_passed_on_only_when_asked_for() -> None:
    assert "HTTPS_PROXY" not in AROUND.env(PLACE, SeatId("one"), PASSED_ON)
    assert AROUND.env(PLACE, SeatId("one"), NETWORK)["HTTPS_PROXY"] == "http://proxy"


def test_given_tells_what_is_set_and_not_empty() -> None:
    assert AROUND.given(["KEY", "EMPTY", "NOT_SET", "LANG"]) == {"KEY": "k", "LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    ("environ", "python", "path"),
    [
        ({}, "/venv/bin/python", "/venv/bin"),
        ({"PATH": "/a"}, "python", "/a"),
        ({"PATH": ""}, "python", ""),
    ],
)
def test_what_stands_beside_our_python_is_found_first(
    environ: dict[str, str], python: str, path: str
) -> None:
    assert Surroundings(environ, python).path == path


def test_a_program_is_found_where_the_agent_would_find_it(tmp_path: Path) -> None:
    for folder in ("beside", "path"):
        (tmp_path / folder).mkdir()
    for name, mode in (("beside/both", 0o755), ("path/both", 0o755), ("path/plain", 0o644)):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(mode)
    around = Surroundings({"PATH": str(tmp_path / "path")}, str(tmp_path / "beside" / "python"))
    assert around.find("both") == str(tmp_path / "beside" / "both")
    assert around.find("plain") is None, "it cannot be executed"
    assert around.find("nowhere") is None


def test_the_home_is_made_once_and_again(tmp_path: Path) -> None:
    place = Place("/t", "/t", str(tmp_path / "new" / "home"), RunId("r"), 1.0)
    make_home(place)
    make_home(place)
    assert stat.S_ISDIR((tmp_path / "new" / "home" / "tmp").stat().st_mode)
    assert os.listdir(place.home) == ["tmp"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        make_home(Place("/t", "/t", str(tmp_path / "file"), RunId("r"), 1.0))
