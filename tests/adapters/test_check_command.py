"""Checks as real processes: what they see, how they end, what they may not do to us."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from massgen_ls.adapters.checks.command import SHOWN, CommandChecker
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.task import CheckSpec, RunId
from massgen_ls.ports import Place, Said


class Desk:
    """A worktree, a home, and a checker that works there."""

    def __init__(self, tmp_path: Path) -> None:
        self.tree = tmp_path / "tree"
        self.home = tmp_path / "home"
        self.user = tmp_path / "user"
        for folder in (self.tree, self.home, self.user):
            folder.mkdir()
        self.said: list[Said] = []
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.user),
            "LC_ALL": "C.UTF-8",
            "SECRET_KEY": "s3cret",
        }

    def write(self, name: str, text: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def run(self, *argv: str, timeout: float = 30, parser: str = "auto") -> CheckResult:
        checker = CommandChecker(HostProcesses(), self.environ, sys.executable)
        check = CheckSpec("t", argv, timeout, parser)
        place = Place(str(self.tree), str(self.tree), str(self.home), RunId("r"), timeout=60)
        return await checker.run(check, "tree", place, self.said.append)

    async def python(self, code: str, timeout: float = 30, parser: str = "auto") -> CheckResult:
        return await self.run("{python}", "-c", code, timeout=timeout, parser=parser)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_passing_is_exit_code_zero(desk: Desk) -> None:
    told = await desk.python("print('a.py:1:1: E1 only a warning')")
    assert (told.outcome, told.failures, told.exit_code) == ("passed", (), 0)
    assert told.output.strip() == "a.py:1:1: E1 only a warning"
    assert [said.text.strip() for said in desk.said] == ["a.py:1:1: E1 only a warning"]


async def test_findings_are_named_without_the_worktree(desk: Desk) -> None:
    told = await desk.python("import os; print(os.getcwd() + '/a.py:3: bad'); raise SystemExit(3)")
    assert (told.outcome, told.failures, told.exit_code) == ("failed", ("a.py: bad",), 3)


async def test_the_exit_parser_names_nothing(desk: Desk) -> None:
    told = await desk.python("print('a.py:3: bad'); raise SystemExit(3)", parser="exit")
    assert (told.outcome, told.failures) == ("failed", ())


async def test_a_check_sees_little_of_the_users_environment(desk: Desk) -> None:
    told = await desk.python("import json, os; print(json.dumps(dict(os.environ)))")
    assert "s3cret" not in told.output
    assert str(desk.user) not in told.output
    assert f'"HOME": "{desk.home}"' in told.output
    assert f'"TMPDIR": "{desk.home}"' in told.output


async def test_a_check_that_hangs_is_ended(desk: Desk) -> None:
    told = await desk.python("import signal; print('so far', flush=True); signal.pause()", 0.5)
    assert (told.outcome, told.failures) == ("timed_out", ())
    assert "so far" in told.output
    assert "took too long" in told.output


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("no-such-program-anywhere",), "was not found on PATH"),
        (("{python}", "-m", "no_such_module"), "no module no_such_module"),
        (("sh", "-c", "no-such-program-anywhere"), "was not found"),
        (("{python}", "nul\0inside"), "cannot be started"),
    ],
)
async def test_what_cannot_start_is_broken_and_says_what_to_do(
    desk: Desk, argv: tuple[str, ...], said: str
) -> None:
    told = await desk.run(*argv)
    assert told.outcome == "broken"
    assert said in told.output


@pytest.mark.parametrize(
    "argv",
    [
        ("{python}", "-m", "unittest", "-v"),
        ("sh", "-c", "python -m unittest"),
        ("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider"),
    ],
)
async def test_who_runs_no_tests_has_measured_nothing(desk: Desk, argv: tuple[str, ...]) -> None:
    told = await desk.run(*argv)
    assert told.outcome == "broken"
    assert told.output.startswith(f"{told.check} ran no tests: nothing was measured.\n\n")


async def test_a_test_that_runs_is_measured_whatever_else_finds_none(desk: Desk) -> None:
    told = await desk.run(
        "sh", "-c", "echo 'Ran 0 tests in 0s'; echo 'Ran 2 tests in 0s' # unittest"
    )
    assert told.outcome == "passed"
    told = await desk.python("print('Ran 0 tests in 0s')")
    assert told.outcome == "passed"


async def test_a_missing_folder_is_broken(desk: Desk) -> None:
    desk.tree.rmdir()
    assert (await desk.python("")).outcome == "broken"


async def test_much_output_keeps_its_end(desk: Desk) -> None:
    told = await desk.python("print('x' * 3_000_000); print('the end'); raise SystemExit(1)")
    assert len(told.output) <= SHOWN + 1
    assert told.output.rstrip().endswith("the end")


async def test_output_cannot_act_on_a_terminal(desk: Desk) -> None:
    told = await desk.python(r"print('\x1b[2J\x1b]0;title\x07a\x08b\x9b1m\x1bc')")
    shown = told.output + "".join(said.text for said in desk.said)
    assert not [c for c in shown if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f"]


async def test_bytes_that_are_no_text_are_shown_as_they_can_be(desk: Desk) -> None:
    told = await desk.python("import os; os.write(1, b'\\xff\\xfe bad \\x00'); raise SystemExit(1)")
    assert told.outcome == "failed"
    assert "bad" in told.output


PYTEST_FILE = """
import pytest

@pytest.mark.parametrize("n", [1, 2, 3])
def test_is_odd(n):
    assert n % 2 == 1

def test_fine():
    pass
"""


async def test_pytest_names_its_failures_in_a_report_of_ours(desk: Desk) -> None:
    desk.write("test_it.py", PYTEST_FILE)
    told = await desk.run("{python}", "-m", "pytest", "-p", "no:cacheprovider")
    assert (told.outcome, told.failures) == ("failed", ("test_it::test_is_odd[2]",))
    assert not list(desk.tree.rglob("*.xml")), "the report is not in the worktree"


async def test_pytest_behind_another_program_is_read_from_its_summary(desk: Desk) -> None:
    desk.write("test_it.py", PYTEST_FILE)
    told = await desk.run("sh", "-c", f"'{sys.executable}' -m pytest -p no:cacheprovider")
    assert told.failures == ("test_it.py::test_is_odd[2]",)


async def test_a_report_of_the_projects_own_choice_is_read(desk: Desk) -> None:
    desk.write("test_it.py", PYTEST_FILE)
    told = await desk.run("{python}", "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=r.xml")
    assert told.failures == ("test_it::test_is_odd[2]",)


REPORT = '<testsuite><testcase classname="a" name="b"><failure/></testcase></testsuite>'


async def test_any_program_may_write_a_report(desk: Desk) -> None:
    code = f"import sys; open(sys.argv[1], 'w').write('{REPORT}'); raise SystemExit(1)"
    told = await desk.run("{python}", "-c", code, "{junit}", parser="junit")
    assert told.failures == ("a::b",)


@pytest.mark.parametrize(
    "plant",
    [
        "os.mkfifo(path)",
        "os.symlink(other, path)",
        "os.mkdir(path)",
        "open(path, 'w').truncate(1 << 40)",
        "open(path, 'w').write('<!DOCTYPE x [<!ENTITY a \"b\">]>')",
        "pass",
    ],
)
async def test_a_planted_report_names_nothing_and_hangs_nothing(desk: Desk, plant: str) -> None:
    other = desk.user / "other.xml"
    other.write_text(REPORT)
    code = f"import os, sys; path, other = sys.argv[1:]; {plant}; raise SystemExit(1)"
    told = await desk.run("{python}", "-c", code, "{junit}", str(other), parser="junit")
    assert (told.outcome, told.failures) == ("failed", ())


async def test_a_report_of_an_earlier_run_is_not_read(desk: Desk) -> None:
    (desk.home / "junit-t.xml").write_text(REPORT)
    told = await desk.run("{python}", "-c", "raise SystemExit(1)", "{junit}", parser="junit")
    assert told.failures == ()


async def test_the_worktrees_own_code_wins_over_an_editable_install(desk: Desk) -> None:
    elsewhere = desk.user / "checkout/src/shop"
    elsewhere.mkdir(parents=True)
    (elsewhere / "__init__.py").write_text("WHOSE = 'the checkout'")
    desk.write("pyproject.toml", "[project]\nname = 'shop'\n")
    desk.write("src/shop/__init__.py", "WHOSE = 'the worktree'")
    # What an editable install's .pth file does, at the place in sys.path where it does it.
    code = f"import sys; sys.path.append({str(elsewhere.parent)!r}); import shop; print(shop.WHOSE)"
    assert (await desk.run("{python}", "-c", code)).output.strip() == "the worktree"


async def test_programs_brought_into_the_worktree_come_first(desk: Desk) -> None:
    desk.write("node_modules/.bin/lint", "#!/bin/sh\necho mine\n")
    (desk.tree / "node_modules/.bin/lint").chmod(0o755)
    assert (await desk.run("lint")).output.strip() == "mine"
