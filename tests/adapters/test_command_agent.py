"""Any program can be an agent, and whatever it does is told as exactly one end with a reason."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.command import argv as argv_module
from massgen_ls.adapters.agents.command.argv import BadArgvError, Values, rounds
from massgen_ls.adapters.agents.command.driver import PROMPT_FILE, CommandDriver
from massgen_ls.adapters.host.process import HostProcesses, Patience
from massgen_ls.core.changes import RelPath
from massgen_ls.core.task import AgentId, AgentSpec, Json, LineRange, RunId, Scope, SeatId, Task
from massgen_ls.engine.inbox import SeatInbox
from massgen_ls.ports import (
    STOPPED,
    AgentNews,
    Brief,
    Driver,
    Ended,
    Fence,
    Halt,
    Note,
    Place,
    Said,
)
from tests.adapters.trees import ENV, nobody, somebody, tag

SETTINGS = Mapping[str, Json]


@dataclass(frozen=True)
class Stage:
    """A worktree with a home, and an agent to let loose in it."""

    place: Place
    environ: dict[str, str]
    scope: Scope = field(default_factory=Scope)
    prompt: str = "do it"

    def driver(self) -> CommandDriver:
        patience = Patience(0.1, 0.3, 0.05, 0.3)
        return CommandDriver(HostProcesses(patience=patience), self.environ, sys.executable)

    async def play(self, *argv: str, **settings: Json) -> tuple[Ended, str]:
        """Runs an agent; its end, and all that it said."""
        news = [item async for item in self.news({"argv": list(argv), **settings})]
        *said, ended = news
        assert isinstance(ended, Ended)
        assert not [item for item in said if isinstance(item, Ended)]
        return ended, "".join(item.text for item in said if isinstance(item, Said))

    def news(self, settings: SETTINGS):
        task = Task(self.prompt, self.scope)
        brief = Brief(task, SeatId("one"), 1, self.prompt)
        spec = AgentSpec(AgentId("one"), "command", settings)
        return self.driver().attempt(spec, brief, self.place)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    for folder in ("tree/pkg", "home"):
        (tmp_path / folder).mkdir(parents=True)
    tree = str(tmp_path / "tree")
    return Stage(Place(tree, tree, str(tmp_path / "home"), RunId("run-1"), 20.0), dict(ENV))


def test_the_driver_fits_the_port(stage: Stage) -> None:
    port: Driver = stage.driver()
    assert port is not None


# ── what the program is given ───────────────────────────────────────────────────────────────────


async def test_the_prompt_comes_on_stdin(stage: Stage) -> None:
    ended, said = await replace(stage, prompt="naïve\nwish").play("cat")
    assert (ended.outcome, ended.exit_code, said) == ("done", 0, "naïve\nwish")


async def test_stdin_none_is_an_empty_input(stage: Stage) -> None:
    ended, said = await stage.play("cat", stdin="none")
    assert (ended.outcome, said) == ("done", "")


async def test_placeholders_fill_their_word_and_no_shell_sees_them(stage: Stage) -> None:
    (Path(stage.place.path) / "a b.py").write_text("")
    nasty = replace(
        stage,
        prompt="$(touch pwned); 'x' \"y\" {file}",
        scope=Scope(RelPath("a b.py"), LineRange(3, 9)),
    )
    _, said = await nasty.play(
        "printf", "%s|", "{prompt}", "at {file}:{first}-{last}", "{{x}}", '{"a": 1}', "{ print $1 }"
    )
    assert said == ('$(touch pwned); \'x\' "y" {file}|at a b.py:3-9|{x}|{"a": 1}|{ print $1 }|')
    assert not (Path(stage.place.path) / "pwned").exists()


async def test_paths_are_seen_from_the_folder_where_the_program_starts(stage: Stage) -> None:
    place = replace(stage.place, folder=f"{stage.place.path}/pkg")
    inside = replace(stage, place=place, scope=Scope(RelPath("-x.py")))
    _, said = await inside.play("printf", "%s|", "{file}", "{folder}", "{worktree}", "{python}")
    tree = stage.place.path
    assert said == f"./-x.py|{tree}/pkg|{tree}|{sys.executable}|"
    _, said = await replace(inside, scope=Scope(RelPath("pkg/a.py"))).play("printf", "%s", "{file}")
    assert said == "pkg/a.py", "the scope is seen from the folder, not from the top"
    _, said = await stage.play("printf", "%s", "{file}")
    assert said == "."


async def test_the_prompt_file_is_private_and_never_written_through_a_link(stage: Stage) -> None:
    precious = Path(stage.place.home).parent / "precious"
    precious.write_text("mine")
    trap = Path(stage.place.home) / PROMPT_FILE
    trap.symlink_to(precious)
    _, said = await stage.play("cat", "{prompt_file}", stdin="none")
    assert said == "do it"
    assert precious.read_text() == "mine"
    assert stat.S_IMODE(trap.lstat().st_mode) == 0o600


async def test_files_are_the_sources_of_the_folder_each_a_word(stage: Stage) -> None:
    top = Path(stage.place.path)
    for name in (
        "b.py", "a b.py", "-c.py", "note.md", "pkg/new\nline.py", ".git/x.py", "node_modules/m.py",
        "env/lib.py", "env/pyvenv.cfg",
    ):  # fmt: skip
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("")
    (top / "link.py").symlink_to("/etc/passwd")
    _, said = await stage.play("printf", "<%s>", "{files:.py}")
    assert said == "<./-c.py><a b.py><b.py><pkg/new\nline.py>"
    scoped = replace(stage, scope=Scope(RelPath("b.py")))
    assert (await scoped.play("printf", "<%s>", "{files:.py}"))[1] == "<b.py>"
    ended, said = await scoped.play("printf", "<%s>", "{files:.md}")
    assert (ended.outcome, said) == ("done", "")
    assert "nothing to do" in ended.summary
    folder = replace(stage, scope=Scope(RelPath("pkg")))
    assert (await folder.play("printf", "<%s>", "{files}"))[1] == "<pkg/new\nline.py>"


async def test_more_files_than_an_argv_can_hold_come_in_rounds(stage: Stage) -> None:
    top = Path(stage.place.path) / ("d" * 200)
    top.mkdir()
    names = [f"{n:06}{'x' * 200}.py" for n in range(4_000)]
    for name in names:
        (top / name).touch()
    ended, _ = await stage.play("sh", "-c", 'echo $# >>"$HOME/counts"', "sh", "{files}")
    assert ended.outcome == "done"
    counts = [int(n) for n in (Path(stage.place.home) / "counts").read_text().split()]
    assert len(counts) > 1
    assert sum(counts) == len(names)


async def test_the_environment_is_allow_listed_and_private(stage: Stage) -> None:
    stage.environ.update(SECRET="s", WANTED="w", TZ="UTC")
    _, said = await stage.play("env", env=["WANTED", "ABSENT"])
    env = dict(line.split("=", 1) for line in said.split("\n") if line)
    home = stage.place.home
    assert "SECRET" not in env
    assert "ABSENT" not in env
    assert (env["WANTED"], env["TZ"], env["TERM"], env["HOME"]) == ("w", "UTC", "dumb", home)
    assert (env["MASSGEN_RUN"], env["MASSGEN_SEAT"]) == ("run-1", "one")
    assert env["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    for name in ("TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        assert env[name].startswith(f"{home}/")
    assert os.path.basename(env["TMPDIR"]) in os.listdir(home)


async def test_an_agent_can_commit_without_any_git_configuration(stage: Stage) -> None:
    script = (
        "git init -q . && echo x >f && git add f && git commit -qm m && git log --format='%an %cn'"
    )
    ended, said = await stage.play("sh", "-c", script)
    assert ended.outcome == "done", ended.reason
    assert said.strip() == "massgen agent massgen agent"


# ── how it ends ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("script", "outcome", "code", "reason"),
    [
        ("exit 0", "done", 0, ""),
        ("echo why >&2; exit 3", "failed", 3, "exit code 3: why"),
        ("echo only-out; exit 3", "failed", 3, "exit code 3: only-out"),
        ("exit 1", "failed", 1, "exit code 1"),
        ("kill -SEGV $$", "failed", -11, "was ended by SIGSEGV"),
        ("exit 139", "failed", 139, "exit code 139 (SIGSEGV)"),
    ],
)
async def test_every_exit_has_its_outcome_and_reason(
    stage: Stage, script: str, outcome: str, code: int, reason: str
) -> None:
    ended, _ = await stage.play("sh", "-c", script)
    assert (ended.outcome, ended.exit_code, ended.reason) == (outcome, code, reason)


async def test_exit_codes_that_mean_success_can_be_named(stage: Stage) -> None:
    ended, _ = await stage.play("sh", "-c", "exit 1", ok_exit_codes=[0, 1])
    assert (ended.outcome, ended.exit_code) == ("done", 1)


async def test_a_missing_program_is_told_with_what_to_do(stage: Stage) -> None:
    ended, _ = await stage.play("no-such-agent")
    assert ended.outcome == "missing"
    assert "no-such-agent" in ended.reason
    assert "Install it" in ended.reason


async def test_a_program_that_cannot_be_run_is_told_with_what_to_do(stage: Stage) -> None:
    tool = Path(stage.place.path) / "tool"
    tool.write_bytes(b"\0\0\0\0")
    ended, _ = await stage.play("./tool")
    assert ended.outcome == "failed"
    assert "chmod +x" in ended.reason
    tool.chmod(0o700)
    ended, _ = await stage.play("./tool")
    assert ended.outcome == "failed"
    assert "#!/bin/sh" in ended.reason


async def test_a_missing_folder_is_told(stage: Stage) -> None:
    place = replace(stage.place, folder=f"{stage.place.path}/gone")
    ended, _ = await replace(stage, place=place).play("true")
    assert ended.outcome == "failed"
    assert "gone" in ended.reason


async def test_a_required_sandbox_that_is_not_there_is_told(stage: Stage) -> None:
    place = replace(stage.place, fence=Fence((), required=True))
    ended, _ = await replace(stage, place=place).play("true")
    assert ended.outcome == "failed"
    assert "bubblewrap" in ended.reason


async def test_a_hanging_agent_is_out_of_time_and_leaves_nothing(stage: Stage) -> None:
    word = tag()
    stage.environ["TAG"] = word
    ended, said = await stage.play(
        "sh", "-c", "echo begun; (setsid sleep 100 &); sleep 100", timeout=0.2, env=["TAG"]
    )
    assert ended.outcome == "timed_out"
    assert "0.2 s" in ended.reason
    assert said.startswith("begun\n")
    assert await nobody(word, 0)


async def test_a_program_that_shall_stop_is_ended_and_what_it_did_counts(stage: Stage) -> None:
    word = tag()
    stage.environ["TAG"] = word
    inbox = SeatInbox()
    at = replace(stage, place=replace(stage.place, inbox=inbox))
    script = "echo begun; while true; do echo on; sleep 0.01; done"
    settings: SETTINGS = {"argv": ["sh", "-c", script], "env": ["TAG"]}
    async with asyncio.timeout(5), aclosing(at.news(settings)) as news:
        assert isinstance(await anext(news), Said)
        inbox.put(Note("nobody reads this"))
        inbox.put(Halt())
        *_, ended = [item async for item in news]
    assert isinstance(ended, Ended)
    assert (ended.outcome, ended.reason) == ("done", STOPPED)
    assert await nobody(word, 0)


async def test_closing_the_iterator_ends_the_agent(stage: Stage) -> None:
    word = tag()
    stage.environ["TAG"] = word
    settings: SETTINGS = {"argv": ["sh", "-c", "echo up; sleep 100"], "env": ["TAG"]}
    async with aclosing(stage.news(settings)) as news:
        assert await anext(news) == Said("up\n")
        await somebody(word, 1)
    assert await nobody(word, 0)


async def test_cancelling_the_reader_ends_the_agent(stage: Stage) -> None:
    word = tag()
    stage.environ["TAG"] = word
    settings: SETTINGS = {"argv": ["sleep", "100"], "env": ["TAG"]}
    heard: list[AgentNews] = []

    async def read() -> None:
        async with aclosing(stage.news(settings)) as news:
            heard.extend([item async for item in news])

    async with asyncio.TaskGroup() as group:
        task = group.create_task(read())
        await somebody(word, 1)
        task.cancel()
    assert heard == []
    assert await nobody(word, 0)


async def test_garbage_and_escape_sequences_become_harmless_text(stage: Stage) -> None:
    ended, said = await stage.play(
        "printf", r"\033[31mred\033[0m \033]0;title\007\377\376\000 \303\251\b done\r\n"
    )
    assert said == "red �� é done\n"
    assert ended.summary == "red �� é done"


async def test_a_huge_line_is_streamed_in_pieces(stage: Stage) -> None:
    ended, said = await stage.play("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' a")
    assert ended.outcome == "done"
    assert said == "a" * 5_000_000
    assert len(ended.summary) < 1000


# ── what cannot be configured ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["true", "{fiel}"], "unknown placeholder `{fiel}`"),
        (["true", "{file:.py}"], "unknown placeholder `{file:.py}`"),
        (["true", "x{files}"], "item of its own"),
        (["true", "{files}", "{files}"], "once"),
        ([], "missing or empty"),
    ],
)
async def test_a_wrong_argv_says_what_is_wrong(stage: Stage, argv: list[str], reason: str) -> None:
    ended, _ = await stage.play(*argv)
    assert ended.outcome == "failed"
    assert reason in ended.reason


async def test_a_prompt_that_no_argument_can_hold_suggests_stdin(stage: Stage) -> None:
    ended, _ = await replace(stage, prompt="é" * 65_536).play("true", "{prompt}")
    assert ended.outcome == "failed"
    assert "stdin: prompt" in ended.reason
    ended, said = await replace(stage, prompt="x" * 131_071).play("printf", "%s", "{prompt}")
    assert (ended.outcome, len(said)) == ("done", 131_071)


@given(st.text(alphabet="{}af:. \\$", max_size=30))
def test_text_with_doubled_braces_comes_out_as_it_was(text: str) -> None:
    values = Values(Task("p"), "p", "py", "/w", "/w", "/h/p")
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert rounds((escaped,), values) == [(text,)]


@given(st.text(max_size=30))
def test_an_argv_is_one_round_of_as_many_words_or_refused(text: str) -> None:
    values = Values(Task("p"), "p", "py", "/w", "/w", "/h/p")
    try:
        made = rounds(("a", f"x{text}"), values)
    except BadArgvError:
        return
    assert [len(words) for words in made] == [2]


def test_the_limit_on_a_word_is_what_the_system_takes() -> None:
    assert argv_module.WORD_LIMIT == 131_071


# ── health ──────────────────────────────────────────────────────────────────────────────────────


async def test_health_finds_the_program_or_says_what_to_do(stage: Stage) -> None:
    driver = stage.driver()

    def spec(*argv: str, **more: Json) -> AgentSpec:
        return AgentSpec(AgentId("one"), "command", {"argv": list(argv), **more})

    health = await driver.health(spec("sh"))
    assert health.ok
    assert health.found.endswith("/sh")
    assert (await driver.health(spec("{python}", "-m", "ruff"))).found == sys.executable
    health = await driver.health(spec("no-such-agent"))
    assert not health.ok
    assert "Install it" in health.hint
    health = await driver.health(spec("sh", env=["MY_KEY"]))
    assert health.ok
    assert "MY_KEY" in health.hint
    assert not (await driver.health(spec())).ok
