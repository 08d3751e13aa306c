"""What a killed owner leaves behind is ended by the next one; nobody else's processes ever are."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from massgen_ls.adapters.host.journal import Journal, alive, owner_of, reap_dead_owners
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.host.survivors import MARKER, Pedigree, Row, end, row_of
from massgen_ls.core.errors import StorageError
from massgen_ls.ports import Command
from tests.adapters.trees import ENV, FIVE, gone, nobody, somebody, tag

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# An owner that starts the tree of five twice and waits to be killed.
OWNER = """
import asyncio, sys
from pathlib import Path
from massgen_ls.adapters.host.journal import Journal
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.ports import Command

async def main(folder, path, tag, five):
    processes = HostProcesses(Journal(Path(folder)))
    env = {"PATH": path, "TAG": tag}
    command = Command((sys.executable, "-I", "-S", "-c", five), "/", env)
    async with processes.start(command) as one, processes.start(command) as two:
        for running in (one, two):
            async for _ in running.output():
                break
        print("up", flush=True)
        await one.wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def sleeper() -> Iterator[Row]:
    """An orphan that sleeps: nobody's child any more, and not ours."""
    script = "sleep 100 >/dev/null 2>&1 & echo $!"
    pid = int(subprocess.run(["sh", "-c", script], env=ENV, capture_output=True).stdout)
    row = row_of(pid)
    assert row is not None
    yield row
    end(row)


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen(["true"], env=ENV) as process:
        process.wait()
    return process.pid


async def test_a_killed_owner_leaves_nothing_once_its_successor_has_looked(tmp_path: Path) -> None:
    word = tag()
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(tmp_path / "state"), ENV["PATH"], word, FIVE),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"up\n"
    assert len(await somebody(word, 10)) == 10
    assert reap_dead_owners(tmp_path / "state").processes == 0, "it lives"
    owner.kill()
    await owner.wait()
    await somebody(word, 1)
    reaped = await asyncio.to_thread(reap_dead_owners, tmp_path / "state")
    assert reaped.owners == 1
    assert await nobody(word, 0)
    assert list((tmp_path / "state").iterdir()) == []


async def test_the_program_itself_dies_with_its_owner_where_there_is_a_leash(
    tmp_path: Path,
) -> None:
    if not HostProcesses().leashed:
        pytest.skip("THIS MACHINE HAS NO setpriv: only the journal protects it")
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, str(tmp_path / "state"), ENV["PATH"], tag()),
        "import os, time; print(os.getpid(), flush=True); time.sleep(100)",
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"up\n"
    records = [json.loads(path.read_text()) for path in (tmp_path / "state").glob("process-*")]
    assert len(records) == 2
    owner.kill()
    await owner.wait()
    assert all([await gone(record["pid"]) for record in records])


async def test_a_process_is_recorded_while_it_runs_and_forgotten_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    processes = HostProcesses(journal)
    async with processes.start(Command(("sleep", "100"), "/", ENV)) as running:
        (path,) = _records(tmp_path)
        record = json.loads(path.read_text())
        assert record["pid"] == running.pid
        row = row_of(running.pid)
        assert row is not None
        assert record["start"] == row.start
    assert not _records(tmp_path)
    await processes.run(Command(("true",), "/", ENV, tree=False))
    journal.close()
    assert not os.listdir(tmp_path)


def test_a_record_never_holds_arguments_or_environment(tmp_path: Path) -> None:
    Journal(tmp_path).opened(Pedigree("t.1", 1, 2), "tool")
    (path,) = tmp_path.glob("process-*")
    assert json.loads(path.read_text()) == {"pid": 1, "start": 2, "program": "tool"}


def test_an_id_that_was_given_to_another_process_ends_nobody(
    tmp_path: Path, sleeper: Row, dead: int
) -> None:
    _abandoned(tmp_path, dead, Pedigree("tok.a.1", sleeper.pid, sleeper.start - 1))
    assert reap_dead_owners(tmp_path).processes == 0
    assert row_of(sleeper.pid) == sleeper
    assert list(tmp_path.iterdir()) == []


async def test_a_process_that_cleared_its_environment_is_known_by_id_and_start(
    tmp_path: Path, sleeper: Row, dead: int
) -> None:
    _abandoned(tmp_path, dead, Pedigree("tok.a.1", sleeper.pid, sleeper.start))
    assert reap_dead_owners(tmp_path).processes == 1
    assert await gone(sleeper.pid)


def test_what_could_not_be_ended_in_time_stays_on_the_record(
    tmp_path: Path, dead: int, sleeper: Row
) -> None:
    _abandoned(tmp_path, dead, Pedigree("tok.0", sleeper.pid, sleeper.start))
    before = sorted(tmp_path.iterdir())
    assert reap_dead_owners(tmp_path, deadline=0).owners == 0
    assert sorted(tmp_path.iterdir()) == before
    reaped = reap_dead_owners(tmp_path)
    assert (reaped.owners, reaped.processes) == (1, 1), "the next start goes on"
    assert list(tmp_path.iterdir()) == []


def test_processes_of_a_living_owner_are_left_alone(tmp_path: Path, sleeper: Row) -> None:
    journal = Journal(tmp_path)
    journal.opened(Pedigree(f"{journal.token}.a.1", sleeper.pid, sleeper.start), "sleep")
    assert reap_dead_owners(tmp_path).owners == 0
    assert row_of(sleeper.pid) == sleeper
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", '{"owner": 7}', "\0\0"])
def test_a_record_that_cannot_be_read_proves_nothing(
    tmp_path: Path, sleeper: Row, content: str
) -> None:
    journal = Journal(tmp_path)
    journal.opened(Pedigree(f"{journal.token}.a.1", sleeper.pid, sleeper.start), "sleep")
    (tmp_path / f"owner-{journal.token}").write_text(content)
    assert reap_dead_owners(tmp_path).owners == 0
    assert row_of(sleeper.pid) == sleeper


async def test_we_do_not_end_ourselves_when_a_dead_owner_has_started_us(
    tmp_path: Path, dead: int
) -> None:
    _abandoned(tmp_path, dead, None)
    script = (
        "import sys; from pathlib import Path\n"
        "from massgen_ls.adapters.host.journal import reap_dead_owners\n"
        "print(reap_dead_owners(Path(sys.argv[1])).owners)"
    )
    done = await HostProcesses().run(
        Command(
            (sys.executable, "-c", f"import os; os.environ.pop('x', 0)\n{script}", str(tmp_path)),
            str(Path(__file__).parents[2]),
            {**ENV, MARKER: "tok.a.1"},
            tree=False,
        )
    )
    assert (done.exit_code, done.stdout) == (0, b"1\n"), done.stderr


def test_nothing_to_reap_where_nothing_was_ever_recorded(tmp_path: Path) -> None:
    assert reap_dead_owners(tmp_path / "absent").owners == 0


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "file" / "state")


def test_owners_are_alive_by_id_and_start_time(dead: int) -> None:
    me = owner_of(os.getpid())
    pid, _, start = me.partition(":")
    assert alive(me)
    assert int(pid) == os.getpid()
    assert not alive(f"{dead}:{start}")
    assert not alive(f"{pid}:1{start}")
    assert not alive("")
    assert not alive("nonsense")
    assert not alive(f"{pid}:")
    with pytest.raises(ProcessLookupError):
        owner_of(dead)


def test_a_process_of_an_earlier_boot_is_dead_and_of_another_container_is_not_judged() -> None:
    pid, start, boot = os.getpid(), *owner_of(os.getpid()).partition(":")[2].split("-")
    host, _, space = boot.partition(".")
    assert not alive(f"{pid}:{start}-00000000.{space}")
    assert alive(f"{pid}:1-{host}.1")


def _records(folder: Path) -> list[Path]:
    return list(folder.glob("process-*"))


def _abandoned(folder: Path, dead: int, pedigree: Pedigree | None) -> None:
    """Writes what a dead owner with the token ``tok`` would have left."""
    start = owner_of(os.getpid()).partition(":")[2]
    (folder / "owner-tok").write_text(json.dumps({"owner": f"{dead}:{start}"}))
    if pedigree is not None:
        record = {"pid": pedigree.leader, "start": pedigree.start, "program": "sleep"}
        (folder / f"process-{pedigree.lease}").write_text(json.dumps(record))
