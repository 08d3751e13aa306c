"""Emacs with Eglot and with lsp-mode, as its guide says, with the real server."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.nvim.served import Gate
from tests.e2e.plain.conftest import SYSTEM, OpenEmacs, absent, server_of, snippet
from tests.e2e.plain.terminal import Emacs
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

Served = Callable[..., list[str]]

EDIT = """
text = open('one.py').read()
assert 'one_9 = 9' in text, text
open('one.py', 'w').write(text.replace('one_9 = 9', 'NINE = 9'))
"""
COMMENT = "# massgen: count from zero"
APPLY = "\r"  # "Apply" is what is offered


def do(emacs: Emacs, code: str) -> None:
    """Evaluates forms for what they do."""
    emacs.ask(f"(progn {code} t)")


def show(emacs: Emacs, name: str = "one.py") -> None:
    do(emacs, f'(switch-to-buffer (find-file-noselect "{name}"))')


def text(emacs: Emacs, name: str = "one.py") -> str:
    return emacs.ask(f'(with-current-buffer "{name}" (substring-no-properties (buffer-string)))')


def shows(emacs: Emacs, words: str, name: str = "one.py") -> None:
    emacs.until(
        words, f'(with-current-buffer "{name}" (and (string-search "{words}" (buffer-string)) t))'
    )


def asked(emacs: Emacs, words: str) -> None:
    """Waits until the minibuffer asks something with these words in it."""
    emacs.until(
        f"a question with {words}",
        "(let ((window (active-minibuffer-window))) (and window (with-current-buffer"
        f' (window-buffer window) (and (string-search "{words}" (buffer-string)) t))))',
    )


def said(emacs: Emacs, words: str) -> None:
    """Waits for a message with these words."""
    emacs.until(
        words,
        f'(with-current-buffer "*Messages*" (and (string-search "{words}" (buffer-string)) t))',
    )


def eglot(emacs: Emacs, server: list[str]) -> None:
    """What the guide says, with one file open."""
    do(emacs, snippet("emacs", "eglot-server-programs", server))
    do(emacs, snippet("emacs", "jsonrpc-request", server))
    show(emacs)
    emacs.keys("\x1bxeglot\r")
    connected(emacs)


def connected(emacs: Emacs) -> None:
    emacs.until("the server", '(with-current-buffer "one.py" (and (eglot-current-server) t))')


def run(emacs: Emacs, prompt: str) -> str:
    """The guide's own command; returns the run's id."""
    emacs.keys(f"\x1bxmassgen-run\r{prompt}\r")
    return emacs.until("the run", "(plist-get massgen-run :runId)")


def comment(emacs: Emacs) -> None:
    """Types a task above the first line, and stays on it."""
    emacs.keys(f"\x1b<{COMMENT}\r\x10")
    shows(emacs, f"{COMMENT}\\n")


def test_from_a_code_action_to_the_buffer_and_back(
    emacs: OpenEmacs, served: Served, project: Path
) -> None:
    editor = emacs()
    eglot(editor, served(EDIT + "open('made.py', 'w').write('made = 1\\n')\n"))
    comment(editor)
    before = text(editor)
    editor.keys("\x1bxeglot-code-actions\r")
    asked(editor, "count from zero")
    editor.keys("\r")
    asked(editor, "first.1 won")
    editor.keys(APPLY)
    # Eglot knows no file operations, so the server asks whether it shall do them.
    asked(editor, "Shall I create made.py")
    editor.keys(APPLY)
    said(editor, "is applied to 2 files")
    assert text(editor) == before.replace("one_9 = 9", "NINE = 9")
    assert (project / "made.py").read_text() == "made = 1\n"
    assert "NINE" not in (project / "one.py").read_text(), "nothing is saved for the user"
    do(editor, '(with-current-buffer "one.py" (undo-boundary))')
    editor.keys("\x1f")  # undo
    shows(editor, "one_9 = 9")
    assert text(editor) == before


def test_what_is_typed_while_the_team_works_stays(
    emacs: OpenEmacs, served: Served, gate: Gate
) -> None:
    editor = emacs()
    eglot(editor, served(gate.program + EDIT))
    run(editor, "tidy up")
    held = gate.reached(editor)
    editor.keys("\x1b<typed_meanwhile = 1\r")
    shows(editor, "typed_meanwhile")
    before = text(editor)
    # Eglot has not told this yet, and Emacs is not idle again until the next key.
    os.close(held)
    asked(editor, "first.1 won")
    editor.keys(APPLY)
    editor.keys("\x06")  # forward-char
    shows(editor, "NINE = 9")
    assert text(editor) == before.replace("one_9 = 9", "NINE = 9")


def test_one_run_is_cancelled_the_server_is_killed_and_the_next_run_lands(
    emacs: OpenEmacs, served: Served, gate: Gate, world: World
) -> None:
    editor = emacs()
    eglot(editor, served(gate.program + EDIT))
    before = text(editor)
    name = run(editor, "tidy up")
    held = gate.reached(editor)
    editor.keys("\x1bxmassgen-cancel\r")
    editor.until("cancelled", "(not massgen-run)")
    settled = f'(jsonrpc-request (eglot-current-server) :massgen/wait (list :runId "{name}"))'
    outcome = editor.ask(
        f'(with-current-buffer "one.py" (plist-get (plist-get {settled} :verdict) :outcome))'
    )
    os.close(held)
    assert (outcome, text(editor)) == ("cancelled", before)

    first = run(editor, "tidy up")
    os.close(gate.reached(editor))
    os.kill(server_of(world), signal.SIGKILL)
    editor.until("gone", '(with-current-buffer "one.py" (not (eglot-current-server)))')
    editor.keys("\x1bxeglot\r")
    connected(editor)
    do(editor, "(setq massgen-run nil)")
    assert run(editor, "tidy up again") != first
    os.close(gate.reached(editor))
    asked(editor, "first.1 won")
    editor.keys(APPLY)
    shows(editor, "NINE = 9")


LSP_MODE = (
    '(with-current-buffer "one.py" (and (lsp-workspaces)'
    " (eq 'initialized (lsp--workspace-status (car (lsp-workspaces))))))"
)


def test_a_session_with_lsp_mode(
    emacs: OpenEmacs, served: Served, gate: Gate, project: Path, world: World
) -> None:
    if not [*(SYSTEM / "emacs" / "site-lisp" / "elpa").glob("lsp-mode-*")]:
        absent("LSP-MODE", "elpa-lsp-mode")
    editor = emacs()
    server = served(gate.program + EDIT + "open('made.py', 'w').write('made = 1\\n')\n")
    do(editor, snippet("emacs", "lsp-register-client", server))
    do(editor, snippet("emacs", "lsp-find-workspace", server))
    do(editor, "(require 'lsp-modeline) (require 'lsp-headerline) (setq lsp-auto-guess-root t)")
    show(editor)
    editor.keys("\x1bxlsp\r")
    editor.until("the server", LSP_MODE)
    untouched = text(editor)

    # Cancelled.
    editor.keys("\x1bxmassgen-run\rtidy up\r")
    name = editor.until("the run", '(and massgen-run (gethash "runId" massgen-run))')
    held = gate.reached(editor)
    editor.until("progress", '(with-current-buffer "one.py" (lsp--progress-status))')
    editor.keys("\x1bxmassgen-cancel\r")
    # Nothing here waits inside of lsp-mode: what came with an answer would be lost.
    told = '(lambda (end) (setq drive-end (gethash "outcome" (gethash "verdict" end))))'
    wait = f'"massgen/wait" (list :runId "{name}") {told} :mode \'detached'
    do(editor, f'(with-current-buffer "one.py" (lsp-request-async {wait}))')
    assert editor.until("its end", "(bound-and-true-p drive-end)") == "cancelled"
    os.close(held)
    assert text(editor) == untouched

    # Killed in the middle of a run; it is back at once.
    editor.keys("\x1bxmassgen-run\rtidy up\r")
    held = gate.reached(editor)
    os.kill(server_of(world), signal.SIGKILL)
    asked(editor, "Do you want to restart it?")
    os.close(held)
    editor.keys("y")
    editor.until("the server", LSP_MODE)

    # From a code action to the buffer, around what is typed meanwhile, and back.
    comment(editor)
    editor.keys("\x1bxlsp-execute-code-action\r")
    held = gate.reached(editor)
    editor.keys("\x1b<typed_meanwhile = 1\r")
    shows(editor, "typed_meanwhile")
    before = text(editor)
    os.close(held)
    asked(editor, "first.1 won")
    editor.keys("Apply\r")
    shows(editor, "NINE = 9")
    assert text(editor) == before.replace("one_9 = 9", "NINE = 9")
    shows(editor, "made = 1", "made.py")
    assert "NINE" not in (project / "one.py").read_text(), "nothing is saved for the user"
