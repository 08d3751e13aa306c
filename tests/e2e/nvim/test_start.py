"""How the plug-in starts, and how runs do; the server is a stand-in inside Neovim."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nvim.conftest import HERE, PLUGIN, Open
from tests.e2e.nvim.stand import sent, served

pytestmark = pytest.mark.e2e

MAPPED = "return vim.tbl_map(function(m) return m.lhs end, vim.api.nvim_get_keymap(''))"


def test_start_up_defines_one_command_and_no_keys_and_loads_nothing(neovim: Open) -> None:
    nvim = neovim()
    commands = nvim.lua("return vim.tbl_keys(vim.api.nvim_get_commands({}))")
    assert [each for each in commands if each.startswith("Massgen")] == ["Massgen"]
    mapped = nvim.lua(MAPPED)
    plugs = [each for each in mapped if "massgen" in each.lower()]
    assert "<Plug>(massgen-run)" in plugs
    assert all(each.startswith("<Plug>(massgen-") for each in plugs)
    loaded = nvim.lua("return vim.tbl_keys(package.loaded)")
    assert not [module for module in loaded if module.startswith("massgen")]
    assert nvim.lua("return #vim.lsp.get_clients()") == 0


def test_the_help_has_every_subcommand_mapping_and_function_and_its_tags_are_whole(
    neovim: Open, tmp_path: Path
) -> None:
    nvim = neovim(plugin=False)
    # A copy: tags are written beside the help file.
    copy = shutil.copytree(PLUGIN, tmp_path / "plug-in")
    nvim.command(f"set runtimepath^={copy}")
    nvim.command("runtime plugin/massgen.lua")
    nvim.command(f"helptags {copy / 'doc'}")
    nvim.command("help :Massgen")
    assert nvim.lua("return vim.bo.filetype") == "help"
    tags = {line.split("\t")[0] for line in (copy / "doc" / "tags").read_text().splitlines()}
    verbs = nvim.lua("return vim.fn.getcompletion('Massgen ', 'cmdline')")
    assert {f":Massgen-{verb}" for verb in verbs} <= tags
    functions = nvim.lua("return vim.tbl_keys(require('massgen'))")
    assert {f"massgen.{name}()" for name in functions} <= tags
    mapped = nvim.lua(MAPPED)
    assert {each for each in mapped if "massgen" in each} <= tags


def test_a_missing_server_is_said_with_what_to_do(neovim: Open, project: Path) -> None:
    nvim = neovim()
    nvim.command(f"edit {project / 'one.py'}")
    nvim.lua("vim.lsp.config('massgen', { cmd = { 'no-such-massgen-ls' } })")
    nvim.command("Massgen clean up")
    said = nvim.wait_for("notify")
    assert "no-such-massgen-ls is not to be found" in said["text"]
    assert "vim.lsp.config" in said["text"]


def test_outside_a_repository_it_says_so(neovim: Open, tmp_path: Path) -> None:
    nvim = neovim(cwd=tmp_path)
    served(nvim)
    (tmp_path / "loose.txt").write_text("text\n")
    nvim.command(f"edit {tmp_path / 'loose.txt'}")
    nvim.command("Massgen clean up")
    assert "is not in a git repository" in nvim.wait_for("notify")["text"]


# ── starting a run ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "prompt", "scope", "apply"),
    [
        ("Massgen tidy | up", "tidy | up", None, "ask"),
        ("Massgen! tidy up", "tidy up", None, "auto"),
        ("%Massgen tidy", "tidy", "file", "ask"),
        ("2,3Massgen tidy", "tidy", ((1, 0), (2, 9)), "ask"),
        ("20Massgen tidy", "tidy", ((19, 0), (19, 11)), "ask"),
    ],
)
def test_a_task_is_sent_with_its_range_as_scope(
    neovim: Open, project: Path, command: str, prompt: str, scope: Any, apply: str
) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.command(command)
    expected: dict[str, Any] = {"prompt": prompt, "apply": apply}
    if scope is not None:
        expected["scope"] = {"textDocument": {"uri": (project / "one.py").as_uri()}}
    if isinstance(scope, tuple):
        (a, b), (c, d) = scope
        expected["scope"]["range"] = {
            "start": {"line": a, "character": b},
            "end": {"line": c, "character": d},
        }
    assert sent(nvim, "massgen/run") == [expected]


def test_without_a_task_it_asks_and_an_empty_answer_starts_nothing(
    neovim: Open, project: Path
) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.lua("_G.reply = '  '")
    nvim.command("Massgen")
    nvim.wait_for("input")
    nvim.lua("_G.reply = ' shorter names '")
    nvim.command("Massgen")
    assert [each["prompt"] for each in sent(nvim, "massgen/run")] == ["shorter names"]


def test_a_code_action_without_a_prompt_asks_for_it(neovim: Open, project: Path) -> None:
    nvim = served(neovim(), project / "one.py")
    nvim.lua("_G.reply = 'make it plain'")
    nvim.lua(
        """
        vim.lsp.get_clients({ name = 'massgen' })[1]:exec_cmd({
          title = 'x', command = 'massgen.run', arguments = { { apply = 'auto' } },
        })
        """
    )
    assert sent(nvim, "massgen/run") == [{"prompt": "make it plain", "apply": "auto"}]


def test_the_server_knows_every_loaded_file_before_the_run_also_without_a_filetype(
    neovim: Open, project: Path
) -> None:
    nvim = neovim()
    odd = project / "odd.zzz"
    odd.write_text("plain\n")
    nvim.command(f"edit {odd}")
    nvim.keys("oNOT SAVED<Esc>")
    nvim.command(f"edit {project / 'one.py'}")
    # No server runs: the command starts it.
    nvim.lua("dofile(... .. '/stand_in.lua')", str(HERE))
    nvim.lua("vim.lsp.config('massgen', { cmd = dofile(... .. '/stand_in.lua') })", str(HERE))
    nvim.command("Massgen tidy")
    sent(nvim, "massgen/run")
    methods = nvim.lua("return vim.tbl_map(function(s) return s.method end, stand.seen)")
    opened = {
        doc["textDocument"]["uri"]: doc["textDocument"]["text"]
        for doc in sent(nvim, "textDocument/didOpen")
    }
    assert opened[odd.as_uri()] == "plain\nNOT SAVED\n"
    assert (project / "one.py").as_uri() in opened
    last_open = len(methods) - methods[::-1].index("textDocument/didOpen")
    assert last_open <= methods.index("massgen/run")
    # And one that is opened later.
    late = project / "late.zzz"
    nvim.command(f"edit {late}")
    sent(nvim, "textDocument/didOpen", 3)


def test_a_task_that_is_given_before_the_server_has_started_is_not_lost(
    neovim: Open, project: Path
) -> None:
    nvim = neovim()
    nvim.command(f"edit {project / 'one.py'}")
    nvim.lua(
        """
        local cmd = dofile(... .. '/stand_in.lua')
        stand.slow, stand.answers['massgen/run'] = true, { runId = '1' }
        require('massgen').setup({ lsp = { cmd = cmd } })
        """,
        str(HERE),
    )
    nvim.until("it starts", "stand.wake ~= nil")
    nvim.command("Massgen at once")
    nvim.lua("vim.schedule(stand.wake)")
    assert [each["prompt"] for each in sent(nvim, "massgen/run")] == ["at once"]
    assert len(sent(nvim, "initialize")) == 1
