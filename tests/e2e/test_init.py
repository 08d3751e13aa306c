"""``massgen-ls init``: looking around, questions on a terminal, options, and what is written."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.world import DEADLINE, World

pytestmark = pytest.mark.e2e

PROJECT = {
    "pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n",
    "tests/test_a.py": "def test_a():\n    pass\n",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A machine with git and Python, and no coding agent."""
    world = World(tmp_path.resolve())
    (world.top / "bin").mkdir()
    real = Path(sys.executable).parent
    world.extra_env["PATH"] = f"{world.top / 'bin'}:{real}:/usr/bin:/bin"
    return world


def install(world: World, *names: str) -> None:
    """Programs that would say so if they were started."""
    for name in names:
        program = world.top / "bin" / name
        program.write_text(f"#!/bin/sh\ntouch {world.top}/started-{name}\n")
        program.chmod(0o755)


def nothing_started(world: World) -> bool:
    return not list(world.top.glob("started-*"))


def claude_with_key(world: World) -> None:
    install(world, "claude")
    world.extra_env["ANTHROPIC_API_KEY"] = "sk-planted-0123456789abcdef"


async def test_a_project_gets_a_team_and_checks_and_can_run_at_once(world: World) -> None:
    world.init(**PROJECT)
    claude_with_key(world)
    install(world, "gemini", "goose")
    (world.home / ".gemini").mkdir()
    (world.home / ".gemini/oauth_creds.json").write_text("{}")
    ended = await world.massgen("init", "--json")
    assert ended.code == 0, ended
    told = json.loads(ended.out)
    assert told["file"] == str(world.repo / "massgen.yaml")
    assert [(a["id"], a["name"]) for a in told["agents"]] == [
        ("claude", "claude_code"),
        ("claude-2", "claude_code"),
        ("gemini", "gemini_cli"),
    ]
    assert told["checks"] == ["pytest", "ruff"]
    assert (told["trusted"], told["ready"], told["template"]) == (True, True, None)
    assert told["found"]["keys"] == ["ANTHROPIC_API_KEY"]
    assert {a["name"]: a["way"] for a in told["found"]["agents"]} == {
        "claude_code": "key",
        "gemini_cli": "login",
        "goose": "key",
    }
    text = (world.repo / "massgen.yaml").read_text()
    assert "planted" not in text + ended.out + ended.err
    assert "Gemini CLI, with your own login." in text
    assert nothing_started(world)
    checked = await world.massgen("config", "check", "massgen.yaml", "--json")
    assert (checked.code, json.loads(checked.out)["kind"]) == (0, "massgen-ls")
    doctor = json.loads((await world.massgen("doctor", "--json")).out)
    marks = {f["text"]: f["mark"] for f in doctor if f["part"] == "trust"}
    assert marks == {f"{world.repo} is trusted as it is": "ok"}
    # The next run asks nothing: here with no more than a check and an agent of its own.
    (world.repo / "massgen.yaml").write_text(text + "# changed\n")
    assert (await world.run()).code == 2, "a file that was changed since is nobody's word"


async def test_a_team_that_init_wrote_runs_without_a_question(world: World) -> None:
    world.init(**PROJECT, **{"a.py": "import os\n"})
    ended = await world.massgen("init", "--template", "offline", "--checks", "ruff", "--yes")
    assert ended.code == 0, ended
    assert "You made it, so it is trusted as it is" in ended.out
    run = await world.run()
    assert run.code in {0, 4}, run
    assert run.events[0]["spec"]["rules"]["trusted"] is True
    assert [c["name"] for c in run.events[0]["spec"]["checks"]] == ["ruff"]


async def test_with_no_agent_at_all_the_offline_team_works(world: World) -> None:
    world.init()
    ended = await world.massgen("init", "--yes")
    assert ended.code == 0, ended
    assert "no coding agent is installed here" in ended.out
    assert "agents: [tidy, bold, prune]" in (world.repo / "massgen.yaml").read_text()
    run = await world.run()
    assert run.code in {0, 3, 4}, run
    assert [a["id"] for a in run.events[0]["spec"]["agents"]] == ["tidy", "bold", "prune"]


@pytest.mark.parametrize(
    ("arguments", "agents", "checks"),
    [
        (["--agents", "claude_code,codex"], ["claude", "codex"], ["pytest", "ruff"]),
        (["--agents", "claude, claude"], ["claude", "claude-2"], ["pytest", "ruff"]),
        (["--agents", "offline", "--checks", "none"], [], []),
        (["--checks", "ruff"], ["claude", "claude-2", "claude-3"], ["ruff"]),
        (["--checks", "detected", "--agents", "goose"], ["goose"], ["pytest", "ruff"]),
        (["--template", "cheap"], [], ["pytest", "ruff"]),
    ],
)
async def test_every_question_has_an_option(world: World, arguments, agents, checks) -> None:
    world.init(**PROJECT)
    claude_with_key(world)
    ended = await world.massgen("init", *arguments, "--json")
    assert ended.code == 0, ended
    told = json.loads(ended.out)
    assert [a["id"] for a in told["agents"]] == agents
    assert told["checks"] == checks
    shown = json.loads((await world.massgen("config", "show", "--json")).out)["settings"]
    named = {s["value"] for s in shown if s["path"].startswith("checks") and "name" in s["path"]}
    assert named == set(checks)


async def test_health_is_told_as_it_is(world: World) -> None:
    world.init()
    install(world, "claude")
    ended = await world.massgen("init", "--agents", "claude_code,codex", "--json")
    told = json.loads(ended.out)
    agents = [f for f in told["health"] if f["part"] == "agent"]
    assert [f["mark"] for f in agents] == ["note", "bad"]
    assert "No login is seen" in agents[0]["hint"]
    assert "codex not found" in agents[1]["text"]
    assert told["ready"] is False
    said = await world.massgen("init", "--agents", "claude_code,codex", "--yes", "--force")
    assert (said.code, "1 to mend before a run can do its work" in said.out) == (0, True)


async def test_nobody_says_ready_where_nobody_is_logged_in(world: World) -> None:
    world.init()
    install(world, "claude", "codex")
    told = json.loads((await world.massgen("init", "--json")).out)
    team = [f["text"] for f in told["health"] if f["part"] == "team"]
    assert (told["ready"], team) == (False, ["of no agent it is known that it can work"])
    said = await world.massgen("init", "--yes", "--force")
    assert ("Ready" in said.out, "1 to mend before a run can do its work" in said.out) == (
        False,
        True,
    )
    doctor = await world.massgen("doctor")
    assert (doctor.code, "Ready" in doctor.out) == (2, False), doctor.out
    # One that can work is enough, and the others are spoken of.
    (world.home / ".codex").mkdir()
    (world.home / ".codex/auth.json").write_text("{}")
    said = await world.massgen("init", "--agents", "claude,codex", "--yes", "--force")
    assert "1 agent may not be able to work yet." in said.out
    assert (await world.massgen("doctor")).code == 0


async def test_a_check_whose_program_is_not_there_is_no_good_check(world: World) -> None:
    world.init(**PROJECT, **{"uv.lock": "", "go.mod": "module m\n"})
    claude_with_key(world)
    before = json.loads((await world.massgen("doctor", "--json")).out)
    proposed = [f["text"] for f in before if f["part"] == "check"]
    go = ", for go not found on PATH"
    ends = [text.split("; not run")[1] for text in proposed]
    assert ends == [", for uv not found on PATH", "", go, go]
    said = await world.massgen("init", "--yes")
    assert "✗ pytest" in said.out
    assert "uv not found on PATH" in said.out
    assert ("Ready" in said.out, "3 to mend" in said.out) == (False, True), said.out
    assert (world.repo / "massgen.yaml").read_text().count("Here:") == 3
    doctor = await world.massgen("doctor", "--json")
    checks = [f for f in json.loads(doctor.out) if f["part"] == "check"]
    assert [f["mark"] for f in checks] == ["bad", "ok", "bad", "bad"]
    assert "Install it" in checks[0]["hint"]
    assert doctor.code == 2
    told = json.loads((await world.massgen("init", "--json", "--force")).out)
    assert told["ready"] is False
    # What a folder that agents get brings along is there.
    program = world.repo / ".venv/bin/uv"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (world.repo / "massgen.yaml").write_text(
        "agents: [tidy]\nchecks: [{name: a, argv: [uv]}]\nworktree: {include: [.venv]}\n"
    )
    doctor = await world.massgen("doctor", "--json")
    assert [f["mark"] for f in json.loads(doctor.out) if f["part"] == "check"] == ["ok"]


async def test_nothing_is_replaced_without_a_word(world: World) -> None:
    world.init(**{".massgen/config.yaml": "agents: [tidy]\n"})
    ended = await world.massgen("init", "--yes")
    assert (ended.code, f"{world.repo}/.massgen/config.yaml is there already" in ended.err) == (
        2,
        True,
    )
    assert not (world.repo / "massgen.yaml").exists()
    assert (await world.massgen("init", "--yes", "--force")).code == 0
    (world.repo / "massgen.yaml").write_text("agents: [bold]\n")
    ended = await world.massgen("init", "--yes")
    assert (ended.code, "massgen.yaml is there already" in ended.err) == (2, True)
    assert (world.repo / "massgen.yaml").read_text() == "agents: [bold]\n"
    # A link is replaced, and what it leads to is left alone.
    other = world.top / "other.yaml"
    other.write_text("agents: [prune]\n")
    (world.repo / "massgen.yaml").unlink()
    (world.repo / "massgen.yaml").symlink_to(other)
    assert (await world.massgen("init", "--yes")).code == 2
    assert (await world.massgen("init", "--yes", "--force")).code == 0
    assert other.read_text() == "agents: [prune]\n"
    assert not (world.repo / "massgen.yaml").is_symlink()


async def test_the_users_own_file(world: World) -> None:
    world.init(**PROJECT)
    claude_with_key(world)
    ended = await world.massgen("init", "--user", "--json")
    file = world.home / ".config/massgen/config.yaml"
    told = json.loads(ended.out)
    assert (told["file"], told["checks"], told["trusted"]) == (str(file), [], True)
    assert "checks" not in file.read_text()
    assert not (world.repo / "massgen.yaml").exists()
    assert (await world.massgen("init", "--user", "--yes")).code == 2
    refused = await world.massgen("init", "--user", "--yes", "--force", "--checks", "ruff")
    assert "Checks belong to a project" in refused.err
    show = await world.massgen("config", "show")
    assert "claude_code" in show.out


async def test_another_file_and_another_folder(world: World) -> None:
    claude_with_key(world)  # and no repository
    ended = await world.massgen(
        "init", "--yes", "--repo", str(world.repo), "--output", "teams/mine.yaml", cwd=world.top
    )
    assert ended.code == 0, ended
    assert (world.repo / "teams/mine.yaml").is_file()
    assert f"name it with --config {world.repo}/teams/mine.yaml"[:60] in " ".join(ended.out.split())
    assert "Runs need one: git init" in ended.out
    assert (await world.massgen("trust", "--list")).out == "No folder is trusted.\n"
    for wrong, why in (("pyproject.toml", "no name of a YAML file"), ("x.json", "no name of a")):
        ended = await world.massgen("init", "--yes", "--output", wrong)
        assert (ended.code, why in ended.err) == (2, True)


async def test_a_folder_that_cannot_be_written(world: World) -> None:
    world.init()
    (world.repo / "file").write_text("")
    ended = await world.massgen("init", "--yes", "--output", "file/massgen.yaml")
    assert ended.code == 2
    assert "cannot be written" in ended.err
    assert sorted(p.name for p in world.repo.iterdir()) == [".git", "a.py", "file"]


async def test_wrong_words_are_refused_before_anything_is_written(world: World) -> None:
    world.init(**PROJECT)
    for arguments, why in (
        (["--agents", "cluade_code"], "Did you mean 'claude_code'"),
        (["--template", "chaep"], "Did you mean 'cheap'"),
        (["--checks", "mypy"], "Found: pytest, ruff"),
        (["--agents", "codex", "--template", "cheap"], "not allowed with"),
        (["--repo", "/nowhere"], "is not a folder"),
    ):
        ended = await world.massgen("init", "--yes", *arguments)
        assert (ended.code, why in ended.err) == (2, True), ended
    ended = await world.massgen("init")
    assert (ended.code, "There is no terminal to ask on" in ended.err) == (2, True)
    assert not (world.repo / "massgen.yaml").exists()


async def test_what_a_cloned_folder_brings_along_is_not_trusted_in_passing(world: World) -> None:
    world.init(**PROJECT, **{".claude/settings.json": '{"hooks": {}}'})
    claude_with_key(world)
    ended = await world.massgen("init", "--json")
    told = json.loads(ended.out)
    assert told["trusted"] is False
    assert "agents would also obey" in " ".join(told["notes"])
    assert (await world.massgen("trust", "--list")).out == "No folder is trusted.\n"
    assert (await world.run()).code == 2
    ended = await world.massgen("init", "--json", "--force", "--trust")
    assert json.loads(ended.out)["trusted"] is True
    # What was trusted before stays trusted, when nothing but our file has changed.
    ended = await world.massgen("init", "--json", "--force", "--checks", "none")
    assert json.loads(ended.out)["trusted"] is True
    world.write(".claude/settings.json", '{"hooks": {"new": 1}}')
    ended = await world.massgen("init", "--json", "--force")
    assert json.loads(ended.out)["trusted"] is False
    assert (await world.run()).code == 2


# ── on a terminal ───────────────────────────────────────────────────────────────────────────────


async def talk(world: World, *answers: str, arguments: tuple[str, ...] = ()) -> tuple[int, str]:
    """Answers each question in turn; the exit code and all that was shown."""
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *world.argv("init", *arguments),
        cwd=world.repo,
        env={**world.env, "COLUMNS": "80", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_terminal,
    )
    os.close(theirs)
    said, left, last = "", list(answers), b""
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    got = await asyncio.to_thread(_next, ours, last)
                except OSError:
                    break
                said += got.decode()
                if not got:
                    break
                if said.endswith(("]: ", "] ")) and left:
                    last = left.pop(0).encode()
                    os.write(ours, last)
            assert await process.wait() is not None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
    assert left == [], said
    assert process.returncode is not None
    return process.returncode, said


def _next(handle: int, answer: bytes) -> bytes:
    """What is shown next. Python loses a Ctrl-C that comes just before it begins to read a line."""
    while answer == b"\x03" and not select.select([handle], [], [], 5)[0]:
        os.write(handle, answer)
    return os.read(handle, 4096)


def _terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a shell's background has it ignore


async def test_enter_takes_what_is_proposed(world: World) -> None:
    world.init(**PROJECT)
    claude_with_key(world)
    code, said = await talk(world, "\n", "\n", "\n")
    assert code == 0, said
    assert "Team [claude_code, claude_code, claude_code]:" in said
    assert "Checks [pytest, ruff]:" in said
    assert "Ready:" in said
    assert "✓ massgen.yaml is written: claude, claude-2, claude-3." in said
    lines = said.replace("\r", "").split("\n")
    assert [line for line in lines if len(line.rstrip()) > 80 and str(world.top) not in line] == []
    text = (world.repo / "massgen.yaml").read_text()
    assert text.count("- id: claude") == 3
    assert "name: ruff" in text


async def test_answers_are_understood_or_asked_again(world: World) -> None:
    world.init(**PROJECT)
    claude_with_key(world)
    install(world, "gemini")
    code, said = await talk(world, "claud\n", "1 2 2\n", "mypy\n", "ruff\n", "y\n")
    assert code == 0, said
    assert "There is no coding agent 'claud'" in said
    assert "No check 'mypy' was found" in said
    text = (world.repo / "massgen.yaml").read_text()
    assert [
        line.split()[-1] for line in text.split("\n") if "- id:" in line and "#" not in line
    ] == ["claude", "gemini", "gemini-2"]
    assert "pytest" not in text


async def test_only_what_is_open_is_asked(world: World) -> None:
    world.init(**PROJECT)
    code, said = await talk(world, "\n", arguments=("--template", "cheap", "--checks", "none"))
    assert code == 0, said
    assert "Write the template cheap to" in said
    assert "model: haiku" in (world.repo / "massgen.yaml").read_text()


@pytest.mark.parametrize(
    "answers",
    [("\x03",), ("\n", "\x03"), ("\n", "\n", "\x03"), ("\x04",), ("\n", "\n", "n\n")],
    ids=["first", "second", "last", "end", "no"],
)
async def test_who_leaves_leaves_nothing_behind(world: World, answers) -> None:
    world.init(**PROJECT)
    before = world.fingerprint()
    code, said = await talk(world, *answers)
    assert (code, "Nothing was written." in said) == (5, True), said
    assert world.fingerprint() == before
    assert (await world.massgen("trust", "--list")).out == "No folder is trusted.\n"


@pytest.mark.parametrize(("answer", "trusted"), [("y\n", True), ("\n", False), ("\x03", False)])
async def test_what_a_folder_brings_along_is_asked_about(
    world: World, answer: str, trusted: bool
) -> None:
    world.init(**PROJECT, **{".mcp.json": "{}"})
    claude_with_key(world)
    code, said = await talk(world, "\n", "\n", "\n", answer)
    assert code == 0, said
    assert ".mcp.json (Claude Code obeys it" in said
    listed = (await world.massgen("trust", "--list")).out
    assert (str(world.repo) in listed) is trusted


# ── ready teams ─────────────────────────────────────────────────────────────────────────────────


async def test_ready_teams_are_listed_and_printed(world: World) -> None:
    listed = await world.massgen("config", "templates")
    assert listed.code == 0
    assert "cheap  " in listed.out
    assert max(map(len, listed.out.split("\n"))) <= 80
    rows = json.loads((await world.massgen("config", "templates", "--json")).out)
    assert {"cheap", "thorough", "offline"} <= {row["name"] for row in rows}
    printed = await world.massgen("config", "templates", "thorough")
    assert printed.out == (Path(__file__).parents[2] / "configs/thorough.yaml").read_text()
    wrong = await world.massgen("config", "templates", "thorogh")
    assert (wrong.code, "Did you mean 'thorough'" in wrong.err) == (2, True)
