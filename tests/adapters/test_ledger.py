"""A process that is killed in the middle of writing, at every step: nothing is lost, all is told.

The kill is real: in a child process, an audit hook sends SIGKILL before the n-th thing that Python
asks of the file system below the user's folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.adapters.host.journal import owner_of
from massgen_ls.adapters.host.ledger import Ledger
from massgen_ls.core.changes import RelPath
from massgen_ls.core.plan import CreateFile, EditPlan
from massgen_ls.core.task import CandidateId
from massgen_ls.ports import Landed
from tests.adapters.test_disk_files import everything

DYING = """
import asyncio, json, os, signal, sys
from pathlib import Path
from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.adapters.host.journal import owner_of
from massgen_ls.adapters.host.ledger import Ledger
from massgen_ls.core.plan import (
    CreateFile, DeleteFile, EditPlan, EditText, RenameFile, ReplaceFile,
)
from massgen_ls.core.text import Edit

PLAN = EditPlan("alice.1", "", (
    DeleteFile("room", b"room\\n"),
    RenameFile("away/old", "to/new"),
    CreateFile("made/deep/c", b"made\\n", "made\\n"),
    CreateFile("room/inside", b"in\\n", "in\\n"),
    CreateFile("link", b"a", None, "symlink"),
    EditText("a", None, "one\\n", (Edit(0, 3, "ONE"),)),
    EditText("to/new", None, "old\\n", (Edit(0, 3, "NEW"),)),
    ReplaceFile("bin", b"\\0", b"\\0\\1"),
    ReplaceFile("tool", b"tool\\n", b"tool\\n", "executable"),
    DeleteFile("gone/last", b"bye\\n"),
))
EVENTS = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.symlink",
          "open", "shutil.rmtree"}

def one(number, root, state):
    left = [number]
    def hook(event, args):
        if event in EVENTS and any(root in str(a) or state in str(a) for a in args):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
    ledger = Ledger(Path(state), owner_of(os.getpid()), print)
    sys.addaudithook(hook)
    done = asyncio.run(DiskFiles(ledger).apply(root, PLAN))
    os._exit(0 if str(done) == "Landed()" else 9)

asyncio.run(asyncio.to_thread(int))
for number, (root, state) in enumerate(json.loads(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        one(number, root, state)
    print(os.waitpid(pid, 0)[1], flush=True)
"""
ENV = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
MOST = 120
"""More than a whole batch asks of the file system."""


def make(root: Path) -> None:
    for folder in ("away", "gone"):
        (root / folder).mkdir(parents=True)
        (root / folder).chmod(0o750)
    for name, text in {
        "room": b"room\n",
        "away/old": b"old\n",
        "a": b"one\n",
        "bin": b"\0",
        "tool": b"tool\n",
        "gone/last": b"bye\n",
    }.items():
        (root / name).write_bytes(text)


def die(places: list[tuple[Path, Path]]) -> list[int]:
    """How each of them ended: killed (9), or in order (0)."""
    given = json.dumps([[str(root), str(state)] for root, state in places])
    done = subprocess.run(
        [sys.executable, "-c", DYING, given], capture_output=True, text=True, check=False, env=ENV
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split("\n") if line]


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path, int]]:
    """As many user folders as a batch has moments to be killed in, one killed at each."""
    top = tmp_path_factory.mktemp("dead")
    places = [(top / f"{n}" / "root", top / f"{n}" / "state") for n in range(MOST)]
    for root, _ in places:
        make(root)
    ended = [(*place, how) for place, how in zip(places, die(places), strict=True)]
    assert ended[-1][2] == 0, "the last one lived to its end"
    return ended


async def mend(state: Path) -> list[str]:
    said: list[str] = []
    await Ledger(state, owner_of(os.getpid()), said.append).mend()
    return said


async def test_whoever_comes_next_finds_all_of_it_or_nothing_and_is_told(
    dead: list[tuple[Path, Path, int]], tmp_path: Path
) -> None:
    make(tmp_path / "before")
    before, after = everything(tmp_path / "before"), everything(dead[-1][0])
    assert after["to/new"][1] == b"NEW\n"
    assert "away" not in after
    outcomes: list[str] = []
    for number, (root, state, how) in enumerate(dead):
        broken = everything(root)
        said = await mend(state)
        now = everything(root)
        assert now in (before, after), f"killed at {number}: {said}"
        assert {path.name for path in state.glob("*")} <= {"lock"}
        assert await mend(state) == [], "said once"
        if how == 0:
            assert said == []
        elif broken not in (before, after):
            (sentence,) = said
            assert f"An earlier massgen-ls was killed while it changed files in {root}" in sentence
            assert ("taken back" in sentence) == (now == before)
            outcomes.append(sentence.rpartition("; ")[2])
    assert "it had finished, all of its changes are there" not in outcomes[0]
    assert any("files are as before" in each for each in outcomes)
    assert any("no file had been changed" in each for each in outcomes)
    assert any("it had finished" in each for each in outcomes)


async def test_what_the_user_has_changed_since_the_kill_is_kept_beside_the_original(
    tmp_path: Path,
) -> None:
    places = [(tmp_path / f"{n}/root", tmp_path / f"{n}/state") for n in range(MOST)]
    for root, _ in places:
        make(root)
    die(places)
    both = 0
    for number, (root, state) in enumerate(places):
        typed = [root / "a", root / "made/deep/c", root / "gone/last"]
        for file in typed:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"typed since\n")
        said = await mend(state)
        for file in typed:
            assert file.read_bytes() == b"typed since\n", number
        texts = [path.read_bytes() for path in state.glob("kept/*/**/*") if path.is_file()]
        if any("taken back" in each for each in said):
            found = [each for each in (b"one\n", b"bye\n") if each in texts]
            both += len(found) == 2
            for each in state.glob("kept/*/**/*"):
                assert each.is_dir() or str(each) in said[0]
    assert both, "some were killed after both were taken away"


async def test_what_a_living_process_writes_is_left_alone(tmp_path: Path) -> None:
    root, state = tmp_path / "root", tmp_path / "state"
    make(root)
    entry = Ledger(state, owner_of(os.getpid()), print).open(str(root))
    (root / f".massgen-{'0' * 32}").mkdir()
    entry.write([str(root / f".massgen-{'0' * 32}")])
    assert await mend(state) == []
    assert list(root.glob(".massgen-*"))


async def test_only_folders_that_are_named_as_ours_are_removed(tmp_path: Path) -> None:
    root, state = tmp_path / "root", tmp_path / "state"
    make(root)
    before = everything(root)
    Ledger(state, "1:1-0.0", print).open(str(root)).write([str(root / "gone"), str(root)])
    (said,) = await mend(state)
    assert "no file had been changed" in said
    assert everything(root) == before


async def test_a_plan_is_made_on_what_was_mended(tmp_path: Path) -> None:
    places = [(tmp_path / f"{n}/root", tmp_path / f"{n}/state") for n in range(30)]
    for root, _ in places:
        make(root)
    die(places)
    heard: list[str] = []
    for root, state in places:
        files = DiskFiles(Ledger(state, owner_of(os.getpid()), heard.append))
        read = await files.read(str(root), [RelPath("a")])
        assert read[RelPath("a")].content == b"one\n"
        new = CreateFile(RelPath("new"), b"x", "x")
        done = await files.apply(str(root), EditPlan(CandidateId("a.1"), "", (new,)))
        assert done == Landed()
        assert {path.name for path in state.glob("*")} <= {"lock"}
    assert heard
