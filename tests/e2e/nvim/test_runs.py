"""The main job in a real Neovim with the real server and agents that are real programs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.nvim_embed import DEADLINE, Neovim
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

EVERYTHING = """
import os

def edit(name, *pairs):
    text = open(name).read()
    for old, new in pairs:
        assert old in text, (name, old, text)
        text = text.replace(old, new)
    open(name, 'w').write(text)

edit('one.py', ('unsaved_one = 1\\n', 'unsaved_one = 2\\n'), ('one_10 = 10\\n', 'TEN = 10\\n'),
     ('one_20 = 20\\n', 'one_20 = 20\\nlast = 1\\n'))
edit('two.py', ('two_5 = 5\\n', 'FIVE = 5\\n'))
os.makedirs('pkg', exist_ok=True)
open('pkg/made.py', 'w').write('made = 1\\nby = "agents"\\n')
os.rename('old_name.py', 'new_name.py')
edit('new_name.py', ('old_2 = 2\\n', 'OLD_2 = 2\\n'))
os.remove('gone.py')
"""


LAST = "last = 1"


class Gate:
    """A named pipe at which an agent waits until the test opens it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        os.mkfifo(path)

    @property
    def program(self) -> str:
        """What an agent says to wait."""
        return f"open({str(self._path)!r}).read()\n"

    def reached(self, nvim: Neovim) -> int:
        """Waits for an agent to stand there; returns what has to be closed to let it go on."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                return os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                if time.monotonic() > end:
                    nvim.fail("the agent has not come to the gate")
                nvim.listen(0.05)


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world.agents / "gate")


Serve = Callable[..., list[str]]


@pytest.fixture
def serve(world: World) -> Serve:
    """Makes a team of programs; returns the server's command line."""

    def make(*programs: str, **backend: Any) -> list[str]:
        names = ("first", "second", "third")
        team = [world.agent(n, p, **backend) for n, p in zip(names, programs, strict=False)]
        config = world.configure(team)
        return [
            sys.executable, "-m", "massgen_ls", "serve", "--stdio", "--config", str(config),
        ]  # fmt: skip

    return make


def _open(nvim: Neovim, command: list[str], *files: Path) -> None:
    """Opens files with the plug-in and the real server."""
    nvim.lua("require('massgen').setup({ lsp = { cmd = ... } })", command)
    for file in files:
        nvim.command(f"edit {file}")
    _attached(nvim)


def _attached(nvim: Neovim) -> None:
    nvim.until("the server", "(vim.lsp.get_clients({ bufnr = 0 })[1] or {}).initialized == true")


def _say_yes(nvim: Neovim) -> None:
    """Picks what applies whenever the server asks."""
    nvim.lua(
        """
        _G.pick = function(items)
          for _, item in ipairs(items) do
            if item:match('^Apply') or item == 'Yes' then return item end
          end
          return ''
        end
        """
    )


def _lines(nvim: Neovim, file: Path) -> list[str]:
    number = nvim.lua("return vim.fn.bufnr(...)", str(file))
    return nvim.call("nvim_buf_get_lines", number, 0, -1, True)


def _type_unsaved(nvim: Neovim, project: Path) -> dict[Path, list[str]]:
    """Opens two files and changes both without saving; returns what they show."""
    one, two = project / "one.py", project / "two.py"
    nvim.command(f"edit {one}")
    nvim.keys("ggOunsaved_one = 1<Esc>")
    nvim.command(f"edit {two}")
    nvim.keys("Gounsaved_two = 2<Esc>")
    nvim.until("typed", "vim.api.nvim_buf_line_count(0) == 21")
    return {file: _lines(nvim, file) for file in (one, two)}


def _replaced(lines: list[str], **by: str) -> list[str]:
    return [next((new for old, new in by.items() if line.startswith(old)), line) for line in lines]


# ── from a command to the buffers ───────────────────────────────────────────────────────────────


def test_the_winner_lands_in_open_buffers_and_one_undo_takes_it_back_in_each(
    neovim: Open, serve: Serve, world: World, project: Path
) -> None:
    nvim = neovim()
    command = serve(EVERYTHING)
    one, two = project / "one.py", project / "two.py"
    _open(nvim, command, project / "old_name.py", project / "gone.py", one)
    before = _type_unsaved(nvim, project)
    dot_git = {k: v for k, v in world.fingerprint().items() if "/.git/" in k}
    _say_yes(nvim)

    nvim.command("Massgen tidy up")

    started = nvim.wait_for("MassgenRunStarted")
    assert started["prompt"] == "tidy up"
    settled = nvim.wait_for("MassgenRunSettled")
    assert (settled["outcome"], settled["winner"]) == ("won", "first.1")
    asked = nvim.wait_for("select")
    assert "first.1" in asked["prompt"]
    applied = nvim.wait_for("MassgenApplied")
    assert applied["conflicts"] == []
    assert applied["run"] == started["run"] == settled["run"]

    landed = {
        one: [
            *_replaced(before[one], unsaved_one="unsaved_one = 2", one_10="TEN = 10"),
            "last = 1",
        ],
        two: _replaced(before[two], **{"two_5 ": "FIVE = 5"}),
    }
    assert {file: _lines(nvim, file) for file in landed} == landed
    made, new = project / "pkg/made.py", project / "new_name.py"
    assert _lines(nvim, made) == ["made = 1", 'by = "agents"']
    assert _lines(nvim, new)[:3] == ["old_1 = 1", "OLD_2 = 2", "old_3 = 3"]
    assert not (project / "old_name.py").exists()
    assert not (project / "gone.py").exists()
    assert nvim.lua("return vim.fn.bufloaded(...)", str(project / "gone.py")) == 0
    # Nothing was saved for the user, and nothing of theirs in .git was touched.
    assert one.read_text().startswith("one_1 = 1\n")
    assert {k: v for k, v in world.fingerprint().items() if "/.git/" in k} == dot_git
    for file in (one, two, made, new):
        assert nvim.lua("return vim.bo[vim.fn.bufnr(...)].modified", str(file)), file

    for file in (one, two):
        nvim.command(f"buffer {file}")
        nvim.keys("u")
        nvim.until("undone", f"vim.api.nvim_buf_line_count(0) == {len(before[file])}")
        assert _lines(nvim, file) == before[file]
        nvim.keys("<C-r>")
        nvim.until("redone", f"vim.api.nvim_buf_line_count(0) == {len(landed[file])}")
        assert _lines(nvim, file) == landed[file]
    nvim.command("wall")
    assert made.read_text() == 'made = 1\nby = "agents"\n'
    assert one.read_text() == "".join(line + "\n" for line in landed[one])


def test_a_winner_is_left_alone_when_the_user_says_no_and_applied_later(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    _open(nvim, serve(EVERYTHING), project / "one.py")
    before = _type_unsaved(nvim, project)
    nvim.lua("_G.pick = function() return '' end")
    nvim.command("Massgen tidy up")
    nvim.wait_for("select")
    run = nvim.wait_for("MassgenRunSettled")["run"]
    assert {file: _lines(nvim, file) for file in before} == before
    assert (project / "gone.py").exists()
    nvim.command("Massgen show")
    nvim.until("the report", "vim.bo.filetype == 'markdown'")
    report = "\n".join(nvim.call("nvim_buf_get_lines", 0, 0, -1, True))
    assert report.startswith("# tidy up\n")
    assert "first.1 (winner)" in report
    assert "`new_name.py` from `old_name.py`" in report
    nvim.command(f"Massgen show {run} first.1")
    nvim.until("the diff", "vim.bo.filetype == 'diff' and vim.api.nvim_buf_line_count(0) > 5")
    assert "+TEN = 10" in nvim.call("nvim_buf_get_lines", 0, 0, -1, True)
    nvim.command("Massgen apply")
    nvim.wait_for("MassgenApplied")
    assert "TEN = 10" in _lines(nvim, project / "one.py")


# ── typing meanwhile ────────────────────────────────────────────────────────────────────────────


def test_the_user_types_on_and_a_conflict_is_reported_and_not_written(
    neovim: Open, serve: Serve, gate: Gate, project: Path
) -> None:
    nvim = neovim()
    one, two = project / "one.py", project / "two.py"
    _open(nvim, serve(gate.program + EVERYTHING), one, two)
    before = _type_unsaved(nvim, project)
    nvim.command("Massgen! tidy up")
    held = gate.reached(nvim)
    # Elsewhere in one buffer, the very line in the other.
    nvim.command(f"buffer {one}")
    nvim.keys("5Gotyped meanwhile<Esc>")
    nvim.command(f"buffer {two}")
    nvim.keys("5Gccmine<Esc>")
    nvim.until("typed", "vim.api.nvim_buf_get_lines(0, 4, 5, true)[1] == 'mine'")
    mine = _lines(nvim, two)
    nvim.command(f"buffer {one}")
    nvim.keys("16Gotyping still")
    os.close(held)
    applied = nvim.wait_for("MassgenApplied")
    assert [each["path"] for each in applied["conflicts"]] == ["two.py"]
    assert nvim.lua("return vim.api.nvim_get_mode().mode") == "i"
    nvim.keys(" and on<Esc>")
    nvim.until("typed", "vim.api.nvim_get_mode().mode == 'n'")
    shown = _lines(nvim, one)
    assert shown[0] == "unsaved_one = 2"
    assert shown[5] == "typed meanwhile"
    assert "TEN = 10" in shown
    assert "typing still and on" in shown
    assert _lines(nvim, two) == mine
    listed = nvim.lua(
        """
        return vim.tbl_map(function(item)
          return { vim.api.nvim_buf_get_name(item.bufnr), item.lnum }
        end, vim.fn.getqflist())
        """
    )
    assert listed == [[str(two), 5]]
    # Undo: what was typed after it, then the agents' change alone, then what was typed before it.
    nvim.keys("u")
    nvim.until("undone", "not vim.fn.join(vim.fn.getline(1, '$')):match('still and on')")
    assert "TEN = 10" in _lines(nvim, one)
    nvim.keys("u")
    nvim.until("undone", "vim.fn.getline(1) == 'unsaved_one = 1'")
    alone = [*before[one][:5], "typed meanwhile", *before[one][5:]]
    assert _lines(nvim, one) == [*alone[:16], "typing still", *alone[16:]]


# ── cancelling ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["command", "all", "progress"])
def test_a_run_can_be_cancelled(
    neovim: Open, serve: Serve, gate: Gate, world: World, project: Path, how: str
) -> None:
    nvim = neovim()
    before = world.fingerprint()
    _open(nvim, serve(gate.program), project / "one.py")
    nvim.command("Massgen wait for ever")
    begun = nvim.wait_for("progress", lambda value: value["kind"] == "begin")
    held = gate.reached(nvim)
    status = nvim.until("a status", "require('massgen').status()")
    assert status.startswith("massgen 0/1 ")
    if how == "command":
        nvim.command("Massgen cancel")
    elif how == "all":
        nvim.command("Massgen cancel all")
    else:
        nvim.lua(
            """
            vim.lsp.get_clients({ name = 'massgen' })[1]:notify(
              'window/workDoneProgress/cancel', { token = ... })
            """,
            begun["token"],
        )
    assert nvim.wait_for("MassgenRunSettled")["outcome"] == "cancelled"
    nvim.wait_for("progress", lambda value: value["kind"] == "end")
    os.close(held)
    assert nvim.lua("return require('massgen').status()") == ""
    assert world.fingerprint() == before


# ── code actions ────────────────────────────────────────────────────────────────────────────────

TELLING = """
import sys
open('prompt.txt', 'w').write(sys.stdin.read())
"""


def _prompt(nvim: Neovim, project: Path) -> str:
    """What the agent was told, from the candidate that landed."""
    nvim.wait_for("MassgenApplied")
    return "\n".join(_lines(nvim, project / "prompt.txt"))


def _act(nvim: Neovim, code: str, wanted: str) -> None:
    """Asks for code actions with `code`, and picks the one whose title has a word."""
    nvim.lua(
        """
        local word = ...
        _G.pick = function(items, opts)
          for _, item in ipairs(items) do
            if opts.kind ~= 'codeaction' and (item:match('^Apply') or item == 'Yes') then
              return item
            end
            if opts.kind == 'codeaction' and item:lower():find(word, 1, true) then return item end
          end
          return ''
        end
        _G.reply = 'make these plain'
        """,
        wanted,
    )
    nvim.lua(code)


def test_a_code_action_on_a_selection_starts_a_run_about_it(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    _open(nvim, serve(TELLING, stdin="prompt"), project / "one.py")
    nvim.keys("3GVjj")
    nvim.until("selected", "vim.api.nvim_get_mode().mode == 'V'")
    _act(nvim, "vim.lsp.buf.code_action()", "selection")
    nvim.keys("<Esc>")
    told = _prompt(nvim, project)
    assert "one.py" in told
    assert "3" in told
    assert "5" in told


def test_a_code_action_on_a_diagnostic_hands_it_to_the_agents(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    _open(nvim, serve(TELLING, stdin="prompt"), project / "one.py")
    nvim.keys("7G")
    nvim.lua(
        """
        local namespace = vim.api.nvim_create_namespace('a linter')
        vim.diagnostic.set(namespace, 0, {
          { lnum = 6, col = 0, end_col = 5, message = 'one_7 is badly named', source = 'lint' },
        })
        """
    )
    _act(
        nvim,
        """
        vim.lsp.buf.code_action({ context = {
          diagnostics = vim.lsp.diagnostic.from(vim.diagnostic.get(0, { lnum = 6 })),
        } })
        """,
        "badly named",
    )
    told = _prompt(nvim, project)
    assert "one_7 is badly named" in told
    assert "one.py" in told


def test_a_code_action_on_a_task_comment_runs_the_task(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim()
    _open(nvim, serve(TELLING, stdin="prompt"), project / "one.py")
    nvim.keys("4Go# massgen: count from zero<Esc>")
    nvim.until("typed", "vim.fn.getline('.') == '# massgen: count from zero'")
    _act(nvim, "vim.lsp.buf.code_action()", "count from zero")
    assert "count from zero" in _prompt(nvim, project)


# ── without the plug-in ─────────────────────────────────────────────────────────────────────────


def _plain(
    nvim: Neovim, command: list[str], project: Path, *files: Path, debounce: int = 150
) -> None:
    """Opens files with nothing but Neovim's own client."""
    nvim.lua(
        """
        local cmd, root, debounce = ...
        vim.api.nvim_create_autocmd('FileType', {
          callback = function()
            vim.lsp.start({
              name = 'team', cmd = cmd, root_dir = root,
              flags = { debounce_text_changes = debounce },
            })
          end,
        })
        """,
        command,
        str(project),
        debounce,
    )
    for file in files:
        nvim.command(f"edit {file}")
    _attached(nvim)


def _run_plainly(nvim: Neovim, apply: str) -> None:
    nvim.lua(
        """
        vim.lsp.get_clients({ name = 'team' })[1]:exec_cmd({
          title = 'x', command = 'massgen.run', arguments = { { prompt = 'go', apply = ... } },
        })
        """,
        apply,
    )


def test_a_plain_client_runs_a_task_by_a_command_and_the_winner_lands(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim(plugin=False)
    one, two = project / "one.py", project / "two.py"
    _plain(nvim, serve(EVERYTHING), project, project / "old_name.py", one)
    before = _type_unsaved(nvim, project)
    _say_yes(nvim)
    _run_plainly(nvim, "ask")
    nvim.wait_for("select")
    made, new = project / "pkg/made.py", project / "new_name.py"
    nvim.until("the winner", "vim.fn.getbufline(vim.fn.bufnr(...), 5)[1] == 'FIVE = 5'", str(two))
    nvim.until("the winner", "vim.fn.bufloaded(...) == 1", str(made))
    nvim.until("deleted", "vim.uv.fs_stat(...) == nil", str(project / "gone.py"))
    landed = [*_replaced(before[one], unsaved_one="unsaved_one = 2", one_10="TEN = 10"), LAST]
    assert _lines(nvim, one) == landed
    assert _lines(nvim, made) == ["made = 1", 'by = "agents"']
    assert _lines(nvim, new)[1] == "OLD_2 = 2"
    assert not (project / "old_name.py").exists()
    for file in (one, two):
        nvim.command(f"buffer {file}")
        nvim.keys("u")
        nvim.until("undone", f"vim.api.nvim_buf_line_count(0) == {len(before[file])}")
        assert _lines(nvim, file) == before[file]


def test_a_plain_client_gets_no_empty_line_at_the_end_of_a_file(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim(plugin=False)
    one, made = project / "one.py", project / "made.py"
    program = "open('one.py', 'a').write('last = 1\\n'); open('made.py', 'w').write('made = 1\\n')"
    _plain(nvim, serve(program), project, one)
    before = _lines(nvim, one)
    _run_plainly(nvim, "auto")
    nvim.until("the winner", "vim.fn.getbufline(vim.fn.bufnr(...), 21)[1] == 'last = 1'", str(one))
    nvim.until("the new file", "vim.fn.bufloaded(...) == 1", str(made))
    assert (_lines(nvim, one), _lines(nvim, made)) == ([*before, LAST], ["made = 1"])


def test_a_plain_client_that_has_typing_under_way_gets_nothing_in_the_wrong_place(
    neovim: Open, serve: Serve, gate: Gate, project: Path
) -> None:
    nvim = neovim(plugin=False)
    one, two = project / "one.py", project / "two.py"
    program = """
for name in ('one.py', 'two.py'):
    text = open(name).read()
    open(name, 'w').write(text.replace('_5 = 5\\n', '_5 = FIVE\\n'))
"""
    # A debounce of a minute stands for keys that come faster than Neovim sends them.
    _plain(nvim, serve(gate.program + program), project, one, two, debounce=60_000)
    _run_plainly(nvim, "auto")
    held = gate.reached(nvim)
    typed = {file: ["typed", *_lines(nvim, file)] for file in (one, two)}
    for file in (one, two):
        nvim.command(f"buffer {file}")
        nvim.keys("ggOtyped<Esc>")
        nvim.until("typed", "vim.fn.getline(1) == 'typed' and vim.api.nvim_get_mode().mode == 'n'")
    os.close(held)
    nvim.wait_for("event", lambda event: event["kind"] in ("delivered", "delivery_refused"))
    for file in (one, two):
        merged = [line.replace("_5 = 5", "_5 = FIVE") for line in typed[file]]
        assert _lines(nvim, file) in (typed[file], merged)


def test_a_plain_client_sends_what_is_typed_in_sight_before_it_is_edited(
    neovim: Open, serve: Serve, gate: Gate, project: Path
) -> None:
    nvim = neovim(plugin=False)
    one = project / "one.py"
    edit = "t = open('one.py').read(); open('one.py', 'w').write(t.replace('_5 = 5', '_5 = FIVE'))"
    _plain(nvim, serve(gate.program + edit), project, one, debounce=60_000)
    _run_plainly(nvim, "auto")
    held = gate.reached(nvim)
    nvim.keys("ggOtyped<Esc>")
    nvim.until("typed", "vim.fn.getline(1) == 'typed' and vim.api.nvim_get_mode().mode == 'n'")
    typed = _lines(nvim, one)
    os.close(held)
    nvim.wait_for("event", lambda event: event["kind"] == "delivered")
    assert _lines(nvim, one) == _replaced(typed, one_5="one_5 = FIVE")


@pytest.mark.parametrize("tokens", [True, False], ids=["flushed", "without tokens"])
def test_a_plain_client_that_is_typed_in_without_a_pause_gets_both(
    neovim: Open, serve: Serve, gate: Gate, project: Path, tokens: bool
) -> None:
    nvim = neovim(plugin=False)
    one, two = project / "one.py", project / "two.py"
    program = """
for name in ('one.py', 'two.py'):
    text = open(name).read()
    open(name, 'w').write(text.replace('_15 = 15\\n', '_15 = FIVE\\n') + 'last = 1\\n')
"""
    if not tokens:  # many turn them off like this
        nvim.lua(
            """
            vim.api.nvim_create_autocmd('LspAttach', { callback = function(args)
              vim.lsp.get_client_by_id(args.data.client_id)
                .server_capabilities.semanticTokensProvider = nil
            end })
            """
        )
    _plain(nvim, serve(gate.program + program), project, one, two)
    before = {file: _lines(nvim, file) for file in (one, two)}
    _run_plainly(nvim, "auto")
    held = gate.reached(nvim)
    # A new line every 0.4 s, and characters in it every 40 ms, in both buffers.
    nvim.lua(
        """
        local buffers, count = { ... }, 0
        _G.typing = vim.uv.new_timer()
        typing:start(0, 40, vim.schedule_wrap(function()
          count = count + 1
          for _, name in ipairs(buffers) do
            local text = count % 10 == 1 and { 'x', '' } or { 'x' }
            vim.api.nvim_buf_set_text(vim.fn.bufnr(name), 0, 0, 0, 0, text)
          end
        end))
        """,
        str(one),
        str(two),
    )
    os.close(held)
    event = nvim.wait_for("event", lambda e: e["kind"] in ("delivered", "delivery_refused"))
    nvim.lua("typing:stop()")
    for file in (one, two):
        shown = [line.replace("x", "") for line in _lines(nvim, file)]
        shown = [line for line in shown if line]
        merged = [line.replace("_15 = 15", "_15 = FIVE") for line in before[file]]
        wanted = [*merged, LAST]
        assert shown == wanted if event["kind"] == "delivered" else shown in (before[file], wanted)


def test_a_plain_client_has_the_code_actions(neovim: Open, serve: Serve, project: Path) -> None:
    nvim = neovim(plugin=False)
    nvim.command(f"edit {project / 'one.py'}")
    nvim.lua(
        "vim.lsp.start({ name = 'team', cmd = select(1, ...), root_dir = select(2, ...) })",
        serve(TELLING, stdin="prompt"),
        str(project),
    )
    _attached(nvim)
    nvim.keys("4Go# massgen: count from zero<Esc>")
    nvim.until("typed", "vim.fn.getline('.') == '# massgen: count from zero'")
    _act(nvim, "vim.lsp.buf.code_action()", "count from zero")
    told = project / "prompt.txt"
    nvim.until("the winner", "vim.fn.bufloaded(...) == 1", str(told))
    assert "count from zero" in "\n".join(_lines(nvim, told))


# ── a crash in the middle ───────────────────────────────────────────────────────────────────────


def test_candidates_outlive_a_server_that_was_killed(
    neovim: Open, serve: Serve, gate: Gate, world: World, project: Path
) -> None:
    nvim = neovim()
    _open(nvim, serve(EVERYTHING, gate.program), project / "one.py")
    _type_unsaved(nvim, project)
    nvim.command("Massgen tidy up")
    run = nvim.wait_for("MassgenRunStarted")["run"]
    held = gate.reached(nvim)
    nvim.until("a candidate", f"#require('massgen.runs').get('{run}').candidates == 1")
    servers = [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if "serve" in (process.info["cmdline"] or ())
        and (process.info["environ"] or {}).get("HOME") == str(world.home)
    ]
    assert len(servers) == 1
    os.kill(servers[0].pid, signal.SIGKILL)
    assert nvim.wait_for("MassgenRunSettled")["outcome"] == "interrupted"
    os.close(held)

    nvim.command("Massgen apply " + run + " first.1")
    applied = nvim.wait_for("MassgenApplied")
    assert applied["conflicts"] == []
    assert "TEN = 10" in _lines(nvim, project / "one.py")
    offered = nvim.lua("return vim.fn.getcompletion('Massgen apply ', 'cmdline')")
    assert offered == [run]
