"""``massgen-ls evaluate``: recorded cases are replayed, chosen among and counted."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import Ended, World

pytestmark = pytest.mark.e2e

CALC = "def add(a, b):\n    return a - b\n\n\ndef double(a):\n    return a + a\n"
TEST = """import unittest

import calc


class Test{name}(unittest.TestCase):
    def test_it(self):
        self.assertEqual(calc.{call}, {result})
"""
OLD_TEST = TEST.format(name="Double", call="double(2)", result=4)
NEW_TEST = TEST.format(name="Add", call="add(1, 2)", result=3)
RIGHT = CALC.replace("a - b", "a + b")
WRONG = CALC.replace("a - b", "3")
BREAKS = RIGHT.replace("a + a", "a")
CHECK = {"name": "tests", "argv": ["{python}", "-m", "unittest", "-v"]}


@pytest.fixture
def calc(world: World) -> World:
    """A repository whose ``add`` is wrong, which no test of it notices."""
    world.init(**{"calc.py": CALC, "test_calc.py": OLD_TEST})
    return world


def patch(world: World, files: Mapping[str, str | bytes], *options: str) -> bytes:
    """The diff that makes these files of the working tree, which is as before afterwards."""
    for name, text in files.items():
        world.write(name, text)
    world.git("add", "-A")
    made = world.git("diff", "--cached", "--binary", *options)
    world.git("reset", "-q", "--hard")
    return made.encode(errors="surrogateescape")


def case(
    world: World,
    name: str,
    agents: Mapping[str, tuple[bytes | None, bool]],
    **more: Any,
) -> Path:
    """Writes a case; more keys replace those of its ``instance.json``."""
    folder = world.top / "cases" / name
    folder.mkdir(parents=True)
    listed: list[dict[str, Any]] = []
    for number, (agent, (diff, resolved)) in enumerate(agents.items()):
        if diff is not None:
            (folder / f"{number}.patch").write_bytes(diff)
        listed.append({"name": agent, "patch": f"{number}.patch", "resolved": resolved})
    body = {
        "id": name,
        "repo": "../../repo",
        "base_commit": world.git("rev-parse", "HEAD").strip(),
        "prompt": "make add add",
        "checks": [CHECK],
        "candidates": listed,
        **more,
    }
    (folder / "instance.json").write_text(json.dumps(body))
    return folder


async def measured(world: World, *options: str) -> dict[str, Any]:
    ended = await world.massgen("evaluate", str(world.top / "cases"), "--json", *options)
    assert ended.code in (0, 7), ended
    return json.loads(ended.out)


async def test_golden_numbers(calc: World) -> None:
    right = patch(calc, {"calc.py": RIGHT, "test_add.py": NEW_TEST})
    bare = patch(calc, {"calc.py": RIGHT.replace("return a + b", "# sum\n    return a + b")})
    wrong, breaks = patch(calc, {"calc.py": WRONG}), patch(calc, {"calc.py": BREAKS})
    # The wrong one is smaller and most agents arrived at it: only the tests of the right one tell.
    weak = NEW_TEST.replace("add(1, 2), 3", "add(5, 7), 12")
    tested = patch(calc, {"calc.py": RIGHT, "test_add.py": weak})
    case(
        calc,
        "one",
        {
            "w1": (wrong, False),
            "w2": (wrong, False),
            "r1": (tested, True),
            "r2": (bare, True),
            "broken": (breaks, False),
            "w3": (wrong, False),
        },
    )
    case(calc, "two", {"a": (right, True), "b": (breaks, False), "c": (b"not a patch\n", False)})
    torn = patch(calc, {"calc.py": CALC.replace("a - b", "(a + b")})
    case(calc, "three", {"a": (breaks, False), "b": (b"", False), "torn": (torn, False)})
    before = calc.fingerprint()
    found = await measured(calc)
    assert found["cases"] == 3
    assert found["mean"] == pytest.approx((2 / 6 + 1 / 3 + 0) / 3)
    assert found["random"] == pytest.approx((2 / 6 + 1 / 2 + 0) / 3)
    assert found["majority"] == pytest.approx((0 + 1 / 2 + 0) / 3)
    assert found["oracle"] == pytest.approx(2 / 3)
    assert found["selected"] == pytest.approx(2 / 3)
    assert found["gap_closed"] == pytest.approx(1)
    assert (found["abstained"], found["abstention_precision"]) == (1, 1)
    without = found["rules"]["evidence-only without cross-tests"]
    assert without["selected"] == pytest.approx(1 / 3), "agreement misleads without the tests"
    one, three, two = found["per_case"]
    assert [case["id"] for case in found["per_case"]] == ["one", "three", "two"]
    assert one["chosen"] in ("r1", "r2")
    assert one["support"] == {"mends": 0, "shares": True, "agents": 2}
    assert three["support"] is None
    # The two right ones are one change with and without tests.
    assert [c["group"] for c in one["candidates"]] == [0, 0, 1, 1, 2, 0]
    assert (three["chosen"], three["outcome"]) == (None, "abstained")
    assert two["chosen"] == "a"
    assert [c["applied"] for c in two["candidates"]] == [True, True, False]
    assert "b changes nothing" in three["notes"]
    assert "torn: calc.py no longer parses (line 2: '(' was never closed)" in three["notes"]
    assert any(note.startswith("c made no candidate: ") for note in two["notes"])
    assert found["checks_run"] == sum(case["checks_run"] for case in found["per_case"]) > 8
    assert found["wall_seconds"] > 0
    assert not calc.state.exists(), "nothing enters the user's record"
    await calc.check_clean(before)
    assert (await calc.massgen("runs", "--all")).out.strip().startswith("No run")


async def test_the_table_has_every_number(calc: World) -> None:
    right, wrong = patch(calc, {"calc.py": RIGHT}), patch(calc, {"calc.py": BREAKS})
    folder = case(calc, "one", {"r": (right, True), "w": (wrong, False)})
    ended = await calc.massgen("evaluate", str(folder), "--rule", "evidence-only")
    assert ended.code == 0
    rows = {row.split("  ")[0].strip(): row.split() for row in ended.out.split("\n") if row}
    assert rows["mean of single agents"][4:] == ["50.0%", "0.0%", "–", "–"]
    assert rows["evidence-only"][1:] == ["100.0%", "100.0%", "0", "–"]
    assert rows["oracle"][1:3] == ["100.0%", "100.0%"]
    assert "1 case; 5 check runs" in ended.out
    assert "one: r (right)" in ended.err
    assert "judges" not in ended.err


async def test_every_form_of_a_patch_applies(calc: World) -> None:
    crlf = b"one\r\ntwo\r\n"
    calc.write("dos.txt", crlf)
    calc.write("logo.bin", bytes(range(256)))
    calc.write("ü space.py", "x = 1\n")
    calc.git("add", "-A")
    calc.git("commit", "-q", "-m", "more")
    (calc.repo / "a.py").rename(calc.repo / "moved.py")
    calc.git("add", "-A")
    renamed = calc.git("diff", "--cached", "-M").encode()
    calc.git("reset", "-q", "--hard")
    right = patch(calc, {"calc.py": RIGHT})
    forms = {
        "plain": right,
        "no prefix": patch(calc, {"calc.py": RIGHT}, "--no-prefix"),
        "other prefix": patch(calc, {"calc.py": RIGHT}, "--src-prefix=i/", "--dst-prefix=w/"),
        "no context": patch(calc, {"calc.py": RIGHT}, "-U0"),
        "wrong count": right.replace(b"@@ -1,5 +1,5 @@", b"@@ -1,9 +1,9 @@"),
        "with words before": b"From: somebody\n\nDo it\n\n" + right,
        "new/file {x}": patch(calc, {"new/folder/file.py": "x\n"}),
        "renamed": renamed,
        "binary": patch(calc, {"logo.bin": bytes(range(255, -1, -1))}),
        "line ends": patch(calc, {"dos.txt": b"one\r\n2\r\n"}),
        "odd name": patch(calc, {"ü space.py": "x = 2\n"}),
    }
    bare = calc.top / "bare.git"
    calc.git("clone", "-q", "--bare", str(calc.repo), str(bare))
    candidates = {name: (diff, True) for name, diff in forms.items()}
    case(calc, "bare", candidates, repo=str(bare), base_commit="main", checks=[], note="ignored")
    found = await measured(calc)
    (one,) = found["per_case"]
    assert one["notes"] == []
    assert [c["name"] for c in one["candidates"] if not c["applied"]] == []


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("no-repo", {"repo": "../nowhere"}, "nowhere is not there"),
    ("no-git", {"repo": "."}, "is no git repository"),
    ("no-commit", {"base_commit": "0" * 40}, "has no commit 000"),
    ("option", {"base_commit": "--all"}, "has no commit --all"),
    ("no-argv", {"checks": [{"name": "x", "argv": "pytest"}]}, "checks[0].argv is not a list"),
    ("no-time", {"checks": [{"argv": ["x"], "timeout": 0}]}, "checks[0].timeout is not a number"),
    ("nobody", {"candidates": []}, "no candidates to choose from"),
    ("no-list", {"candidates": None}, "`candidates` is missing or no list"),
    (
        "unknown",
        {"candidates": [{"name": "a", "patch": "x.patch"}]},
        "candidates[0].resolved is neither true nor false",
    ),
    (
        "no-patch",
        {"candidates": [{"name": "a", "resolved": True}]},
        "`candidates[0].patch` is missing",
    ),
]


async def test_bad_cases_are_named_and_the_others_measured(calc: World) -> None:
    good = {"r": (patch(calc, {"calc.py": RIGHT}), True), "gone": (None, False)}
    for name, change, _ in BAD:
        case(calc, name, good, **change)
    broken = case(calc, "broken-json", good)
    (broken / "instance.json").write_text("{")
    listed = case(calc, "a-list", good)
    (listed / "instance.json").write_text("[]")
    (case(calc, "lost", good) / "instance.json").unlink()
    case(calc, "right", good, checks=[CHECK, {"name": "x", "argv": ["no-such-program"]}])
    ended = await calc.massgen("evaluate", str(calc.top / "cases"), "--json")
    assert ended.code == 7
    found = json.loads(ended.out)
    told = {entry["id"]: entry.get("error", "") for entry in found["per_case"]}
    for name, _, message in BAD:
        assert message in told[name], name
        assert f"{name}: not measured: " in ended.err
    assert "is not JSON" in told["broken-json"]
    assert "not an object" in told["a-list"]
    assert "cannot be read: No such file" in told["lost"]
    assert (found["cases"], found["failed"], found["selected"]) == (1, len(BAD) + 3, 1)
    (right,) = [entry for entry in found["per_case"] if entry["id"] == "right"]
    assert [c["applied"] for c in right["candidates"]] == [True, False]
    assert any("no-such-program was not found" in note for note in right["notes"])
    assert any("gone made no candidate" in note for note in right["notes"])


async def test_exit_codes(calc: World) -> None:
    empty = calc.top / "empty"
    empty.mkdir()
    bad = case(calc, "bad", {"a": (b"x", True)}, repo="nowhere")
    table: list[tuple[list[str], int, str]] = [
        ([], 2, "No cases are named"),
        ([str(empty)], 2, "There is no case in"),
        ([str(calc.top / "nowhere")], 2, "is not a folder"),
        ([str(bad)], 2, "not measured"),
        ([str(empty), "--rule", "fewest-lines"], 2, "invalid choice"),
        (["--from-history", "--build-only"], 2, "--output"),
        (["--from-history", str(empty)], 2, "is no git repository"),
        (["--from-history", "--count", "1"], 2, "no case could be built"),
    ]
    for words, code, message in table:
        ended: Ended = await calc.massgen("evaluate", *words)
        assert (ended.code, message in ended.err) == (code, True), (words, ended)


async def test_rules_are_compared_on_the_same_measurements(calc: World) -> None:
    right, wrong = patch(calc, {"calc.py": RIGHT}), patch(calc, {"calc.py": WRONG})
    case(calc, "one", {"w": (wrong, False), "v": (wrong, False), "r": (right, True)})
    rules = ("evidence-only", "plurality", "pairwise")
    found = await measured(calc, *(f"--rule={rule}" for rule in rules), "--early-exit")
    assert found["rule"] == "evidence-only"
    assert [*found["rules"]] == [*rules, "evidence-only without cross-tests"]
    assert {told["selected"] for told in found["rules"].values()} == {0}, "most agree on it"
    assert found["gap_closed"] == pytest.approx(-0.5)


RUNNER = """import importlib, pathlib, sys
from xml.sax.saxutils import quoteattr

sys.path.insert(0, "")
sys.dont_write_bytecode = True
rows, bad = [], 0
for file in sorted(pathlib.Path().glob("test_*.py")):
    module = importlib.import_module(file.stem)
    for name in [name for name in vars(module) if name.startswith("test_")]:
        fault = ""
        try:
            getattr(module, name)()
        except Exception as error:
            fault, bad = f"<failure message={quoteattr(repr(error))}/>", 1
        rows.append(f'<testcase classname="{file.stem}" name="{name}">{fault}</testcase>')
pathlib.Path(sys.argv[1]).write_text(f"<testsuite>{''.join(rows)}</testsuite>")
sys.exit(bad)
"""
"""Runs tests as pytest does, a hundred times as fast to start."""
MODULE = """def sign(n):
    if n > 0:
        return 1
    return 0


def middle(items):
    return items[len(items) // 2]
"""
MODULE_TEST = """from numbers_of import middle, sign


def test_sign():
    assert sign(3) == 1


def test_middle():
    assert middle([1, 2, 3]) == 2
"""
LESS = "\n\ndef test_less():\n    assert sign(-2) == -1\n"


@pytest.fixture
def past(world: World) -> World:
    """A repository with one fix, one commit that only looks like one, and one of code alone."""
    world.init(**{"numbers_of.py": MODULE, "test_numbers.py": MODULE_TEST})
    fixed = MODULE.replace("    return 0", "    if n < 0:\n        return -1\n    return 0")
    world.write("numbers_of.py", fixed)
    world.write(
        "test_numbers.py", MODULE_TEST + "\n\ndef test_less():\n    assert sign(-2) == -1\n"
    )
    world.git("commit", "-q", "-a", "-m", "Negative numbers have a sign")
    world.write("numbers_of.py", fixed.replace("items", "rows"))
    world.write("test_numbers.py", MODULE_TEST + LESS.replace("2", "5"))
    world.git("commit", "-q", "-a", "-m", "Rename")
    world.write("numbers_of.py", fixed.replace("items", "listed"))
    world.git("commit", "-q", "-a", "-m", "Rename again")
    (world.agents / "runner.py").write_text(RUNNER)
    return world


def check(world: World) -> str:
    return f"{{python}} {world.agents / 'runner.py'} {{junit}}"


async def test_cases_out_of_history_are_measured_and_the_same_by_the_same_seed(
    past: World,
) -> None:
    before = past.fingerprint()
    made: list[dict[str, bytes]] = []
    for name, seed in (("first", "3"), ("second", "3"), ("third", "4")):
        folder = past.top / name
        words = ("--from-history", "--output", str(folder), "--build-only", "--seed", seed)
        ended = await past.massgen("evaluate", *words, "--count", "1", "--check", check(past))
        assert ended.code == 0, ended
        assert "2 commits change code and tests" in ended.err
        made.append({f.name: f.read_bytes() for f in folder.rglob("*") if f.is_file()})
    assert made[0] == made[1]
    assert made[0] != made[2]
    assert past.fingerprint() == before
    told = json.loads(made[0]["instance.json"])
    assert told["prompt"] == "Negative numbers have a sign"
    assert told["base_commit"] == past.git("rev-parse", "HEAD~3").strip()
    right = [c for c in told["candidates"] if c["resolved"]]
    assert 1 <= len(right) < len(told["candidates"]) == 5
    (case,) = (past.top / "first").iterdir()
    # The tests of the fix are no check of the case: they are what nobody has seen.
    past.git("checkout", "-q", told["base_commit"])
    assert "test_less" not in (past.repo / "test_numbers.py").read_text()
    hidden = MODULE_TEST + LESS
    for candidate in told["candidates"]:
        past.git("apply", str(case / candidate["patch"]))
        past.write("test_numbers.py", hidden)
        words = [sys.executable, str(past.agents / "runner.py"), str(past.top / "junit.xml")]
        ran = await asyncio.create_subprocess_exec(*words, cwd=past.repo)
        assert (await ran.wait() == 0) == candidate["resolved"], candidate
        past.git("reset", "-q", "--hard")
        past.git("clean", "-fdxq")


async def test_what_gives_no_case_is_told(past: World) -> None:
    words = ("--from-history", str(past.repo), "--count", "3", "--check", check(past))
    ended = await past.massgen("evaluate", *words, "--json")
    assert ended.code == 7, "one case is fewer than three"
    assert "skipped: none of its tests fails on the base and passes with the fix" in ended.err
    found = json.loads(ended.out)
    assert found["cases"] == 1
    assert found["oracle"] == 1
    assert 0 < found["mean"] < 1
