"""Neovim's own client without the plug-in, with the real server."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.nvim_embed import Neovim
from tests.e2e.nvim.served import (
    EVERYTHING,
    LAST,
    TELLING,
    Gate,
    Serve,
    act,
    attached,
    lines_of,
    replaced,
    say_yes,
    type_unsaved,
)
from tests.e2e.nvim.test_old import snippet
from tests.e2e.plain.conftest import server_of
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

# ── without the plug-in ─────────────────────────────────────────────────────────────────────────


def _plain(nvim: Neovim, command: list[str], *files: Path, debounce: int = 150) -> None:
    """Opens files with nothing but Neovim's own client, as the README says."""
    code = snippet(command, "vim.lsp.start(")
    flags = f"flags = {{ debounce_text_changes = {debounce} }},"
    nvim.lua("vim.cmd('filetype on')\n" + code.replace("root_dir =", f"{flags} root_dir ="))
    for file in files:
        nvim.command(f"edit {file}")
    attached(nvim)


def _run_plainly(nvim: Neovim, apply: str) -> None:
    nvim.lua(
        """
        vim.lsp.get_clients({ name = 'massgen' })[1]:exec_cmd({
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
    _plain(nvim, serve(EVERYTHING), project / "old_name.py", one)
    before = type_unsaved(nvim, project)
    say_yes(nvim)
    _run_plainly(nvim, "ask")
    nvim.wait_for("select")
    made, new = project / "pkg/made.py", project / "new_name.py"
    nvim.until("the winner", "vim.fn.getbufline(vim.fn.bufnr(...), 5)[1] == 'FIVE = 5'", str(two))
    nvim.until("the winner", "vim.fn.bufloaded(...) == 1", str(made))
    nvim.until("deleted", "vim.uv.fs_stat(...) == nil", str(project / "gone.py"))
    landed = [*replaced(before[one], unsaved_one="unsaved_one = 2", one_10="TEN = 10"), LAST]
    assert lines_of(nvim, one) == landed
    assert lines_of(nvim, made) == ["made = 1", 'by = "agents"']
    assert lines_of(nvim, new)[1] == "OLD_2 = 2"
    assert not (project / "old_name.py").exists()
    for file in (one, two):
        nvim.command(f"buffer {file}")
        nvim.keys("u")
        nvim.until("undone", f"vim.api.nvim_buf_line_count(0) == {len(before[file])}")
        assert lines_of(nvim, file) == before[file]


def test_a_plain_client_gets_no_empty_line_at_the_end_of_a_file(
    neovim: Open, serve: Serve, project: Path
) -> None:
    nvim = neovim(plugin=False)
    one, made = project / "one.py", project / "made.py"
    program = "open('one.py', 'a').write('last = 1\\n'); open('made.py', 'w').write('made = 1\\n')"
    _plain(nvim, serve(program), one)
    before = lines_of(nvim, one)
    _run_plainly(nvim, "auto")
    nvim.until("the winner", "vim.fn.getbufline(vim.fn.bufnr(...), 21)[1] == 'last = 1'", str(one))
    nvim.until("the new file", "vim.fn.bufloaded(...) == 1", str(made))
    assert (lines_of(nvim, one), lines_of(nvim, made)) == ([*before, LAST], ["made = 1"])


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
    _plain(nvim, serve(gate.program + program), one, two, debounce=60_000)
    _run_plainly(nvim, "auto")
    held = gate.reached(nvim)
    typed = {file: ["typed", *lines_of(nvim, file)] for file in (one, two)}
    for file in (one, two):
        nvim.command(f"buffer {file}")
        nvim.keys("ggOtyped<Esc>")
        nvim.until("typed", "vim.fn.getline(1) == 'typed' and vim.api.nvim_get_mode().mode == 'n'")
    os.close(held)
    nvim.wait_for("event", lambda event: event["kind"] in ("delivered", "delivery_refused"))
    for file in (one, two):
        merged = [line.replace("_5 = 5", "_5 = FIVE") for line in typed[file]]
        assert lines_of(nvim, file) in (typed[file], merged)


def test_a_plain_client_sends_what_is_typed_in_sight_before_it_is_edited(
    neovim: Open, serve: Serve, gate: Gate, project: Path
) -> None:
    nvim = neovim(plugin=False)
    one = project / "one.py"
    edit = "t = open('one.py').read(); open('one.py', 'w').write(t.replace('_5 = 5', '_5 = FIVE'))"
    _plain(nvim, serve(gate.program + edit), one, debounce=60_000)
    _run_plainly(nvim, "auto")
    held = gate.reached(nvim)
    nvim.keys("ggOtyped<Esc>")
    nvim.until("typed", "vim.fn.getline(1) == 'typed' and vim.api.nvim_get_mode().mode == 'n'")
    typed = lines_of(nvim, one)
    os.close(held)
    nvim.wait_for("event", lambda event: event["kind"] == "delivered")
    assert lines_of(nvim, one) == replaced(typed, one_5="one_5 = FIVE")


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
    _plain(nvim, serve(gate.program + program), one, two)
    before = {file: lines_of(nvim, file) for file in (one, two)}
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
        shown = [line.replace("x", "") for line in lines_of(nvim, file)]
        shown = [line for line in shown if line]
        merged = [line.replace("_15 = 15", "_15 = FIVE") for line in before[file]]
        wanted = [*merged, LAST]
        assert shown == wanted if event["kind"] == "delivered" else shown in (before[file], wanted)


def test_a_plain_client_shows_progress_cancels_and_goes_on_after_a_crash(
    neovim: Open, serve: Serve, gate: Gate, project: Path, world: World
) -> None:
    nvim = neovim(plugin=False)
    one = project / "one.py"
    edit = "t = open('one.py').read(); open('one.py', 'w').write(t.replace('_5 = 5', '_5 = FIVE'))"
    command = serve(gate.program + edit)
    _plain(nvim, command, one)
    before = lines_of(nvim, one)
    _run_plainly(nvim, "auto")
    held = gate.reached(nvim)
    nvim.wait_for("progress", lambda value: value["kind"] == "begin")
    started = nvim.wait_for("event", lambda event: event["kind"] == "run_started")
    nvim.lua(
        """
        vim.lsp.get_clients({ name = 'massgen' })[1]:exec_cmd({
          title = 'x', command = 'massgen.cancel', arguments = { { runId = ... } },
        })
        """,
        started["run"],
    )
    ended = nvim.wait_for("progress", lambda value: value["kind"] == "end")
    assert ended["message"].startswith("cancelled")
    os.close(held)
    assert lines_of(nvim, one) == before

    _run_plainly(nvim, "auto")
    held = gate.reached(nvim)
    os.kill(server_of(world), signal.SIGKILL)
    nvim.until("gone", "#vim.lsp.get_clients() == 0")
    os.close(held)
    assert lines_of(nvim, one) == before
    # As the README's autocommand does it when a file is opened next.
    nvim.command("doautocmd FileType python")
    attached(nvim)
    _run_plainly(nvim, "auto")
    os.close(gate.reached(nvim))
    nvim.wait_for("event", lambda event: event["kind"] == "delivered")
    assert lines_of(nvim, one) == replaced(before, one_5="one_5 = FIVE")


def test_a_plain_client_has_the_code_actions(neovim: Open, serve: Serve, project: Path) -> None:
    nvim = neovim(plugin=False)
    nvim.command(f"edit {project / 'one.py'}")
    nvim.lua(
        "vim.lsp.start({ name = 'massgen', cmd = select(1, ...), root_dir = select(2, ...) })",
        serve(TELLING, stdin="prompt"),
        str(project),
    )
    attached(nvim)
    nvim.keys("4Go# massgen: count from zero<Esc>")
    nvim.until("typed", "vim.fn.getline('.') == '# massgen: count from zero'")
    act(nvim, "vim.lsp.buf.code_action()", "count from zero")
    told = project / "prompt.txt"
    nvim.until("the winner", "vim.fn.bufloaded(...) == 1", str(told))
    assert "count from zero" in "\n".join(lines_of(nvim, told))
