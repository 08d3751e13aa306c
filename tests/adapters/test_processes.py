"""Whatever a program does, it is ended with all its descendants, and what it printed is known."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import stat
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from massgen_ls.adapters.host.pipes import PIECE
from massgen_ls.adapters.host.process import HostProcesses, Patience
from massgen_ls.adapters.host.survivors import MARKER
from massgen_ls.ports import Command, Output, Processes
from tests.adapters.trees import ENV, FIVE, gone, nobody, somebody, tag

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

HASTY = Patience(ask=0.1, term=0.3, quiet=0.05, drain=0.5)


@pytest.fixture
def processes() -> HostProcesses:
    return HostProcesses(patience=HASTY)


def sh(script: str, **more: object) -> Command:
    return program(("sh", "-c", script), **more)


def program(argv: tuple[str, ...], **more: object) -> Command:
    settings: dict[str, object] = {"cwd": "/", "env": ENV, **more}
    return Command(argv, **settings)  # type: ignore[arg-type]


def python(script: str, *args: str, **more: object) -> Command:
    return program((sys.executable, "-I", "-S", "-c", script, *args), **more)


def test_host_processes_fit_the_port() -> None:
    port: Processes = HostProcesses()
    assert port is not None


# ── what is known of the end ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tree", [True, False])
async def test_exit_code_and_both_streams_are_told(processes: HostProcesses, tree: bool) -> None:
    done = await processes.run(sh("cat; echo out; echo err >&2; exit 7", stdin=b"in ", tree=tree))
    assert (done.exit_code, done.stdout, done.stderr) == (7, b"in out\n", b"err\n")
    assert not done.timed_out
    assert done.dropped == 0
    assert done.survivors == 0


@pytest.mark.parametrize("tree", [True, False])
async def test_a_crash_by_signal_is_a_negative_exit_code(
    processes: HostProcesses, tree: bool
) -> None:
    done = await processes.run(sh("kill -SEGV $$", tree=tree))
    assert done.exit_code == -signal.SIGSEGV


async def test_without_input_a_reader_sees_the_end_at_once(processes: HostProcesses) -> None:
    done = await processes.run(sh("cat; echo over"))
    assert done.stdout == b"over\n"


async def test_the_environment_is_the_given_one_and_nothing_more(
    processes: HostProcesses,
) -> None:
    done = await processes.run(program(("/usr/bin/env",), env={"ONE": "1"}, tree=False))
    assert done.stdout == b"ONE=1\n"
    done = await processes.run(program(("/usr/bin/env",), env={"ONE": "1"}))
    names = {line.split(b"=")[0] for line in done.stdout.split(b"\n") if line}
    assert names == {b"ONE", MARKER.encode()}


async def test_a_lease_within_a_lease_names_both() -> None:
    inner = HostProcesses(enclosing="outer.1")
    done = await inner.run(sh(f"echo ${MARKER}"))
    assert done.stdout.startswith(b"outer.1/")


# ── what cannot be started ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tree", [True, False])
async def test_a_missing_program_is_a_file_not_found_error(
    processes: HostProcesses, tree: bool
) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await processes.run(program(("no-such-program",), tree=tree))


@pytest.mark.parametrize("tree", [True, False])
async def test_what_stands_in_the_way_on_the_path_is_no_program_that_may_not_be_run(
    processes: HostProcesses, tree: bool, tmp_path: Path
) -> None:
    # The system says the same of a folder of that name as of a folder that may not be entered.
    (tmp_path / "no-such-program").mkdir()
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        await processes.run(program(("no-such-program",), env={"PATH": path}, tree=tree))


@pytest.mark.parametrize("tree", [True, False])
async def test_a_missing_working_folder_is_not_taken_for_a_missing_program(
    processes: HostProcesses, tree: bool, tmp_path: Path
) -> None:
    with pytest.raises(NotADirectoryError, match="gone"):
        await processes.run(sh("true", cwd=str(tmp_path / "gone"), tree=tree))


@pytest.mark.parametrize("tree", [True, False])
async def test_a_program_that_may_not_be_executed_is_a_permission_error(
    processes: HostProcesses, tree: bool, tmp_path: Path
) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(PermissionError):
        await processes.run(program((str(tmp_path / "tool"),), tree=tree))
    with pytest.raises(PermissionError):
        await processes.run(program((str(tmp_path),), tree=tree))


@pytest.mark.parametrize("tree", [True, False])
async def test_a_file_that_is_no_program_is_an_exec_format_error(
    processes: HostProcesses, tree: bool, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(b"\0\1\2 nothing that runs")
    tool.chmod(stat.S_IRWXU)
    with pytest.raises(OSError) as caught:
        await processes.run(program((str(tool),), tree=tree))
    assert caught.value.errno == errno.ENOEXEC


async def test_a_script_without_its_interpreter_names_the_interpreter(
    processes: HostProcesses, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/opt/no/such/interpreter\n")
    tool.chmod(stat.S_IRWXU)
    with pytest.raises(FileNotFoundError, match="/opt/no/such/interpreter"):
        await processes.run(program((str(tool),)))


async def test_a_relative_program_is_found_in_the_working_folder(
    processes: HostProcesses, tmp_path: Path
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho here\n")
    tool.chmod(stat.S_IRWXU)
    done = await processes.run(program(("./tool",), cwd=str(tmp_path)))
    assert done.stdout == b"here\n"


# ── nothing is left ─────────────────────────────────────────────────────────────────────────────


async def _started(output: AsyncIterator[Output]) -> None:
    async with asyncio.timeout(20):
        async for piece in output:
            if b"ready" in piece.bytes:
                return
    raise AssertionError("the tree did not come up")


@pytest.mark.parametrize("pipes", ["hold", "free"])
async def test_a_tree_of_five_with_daemons_is_ended_with_its_leader(
    processes: HostProcesses, pipes: str
) -> None:
    word = tag()
    async with processes.start(python(FIVE, pipes, env={**ENV, "TAG": word})) as running:
        await _started(running.output())
        await somebody(word, 5)
        await running.stop()
        assert await nobody(word, 0)


async def test_daemons_that_a_tidy_leader_leaves_behind_are_ended_and_counted(
    processes: HostProcesses,
) -> None:
    word = tag()
    done = await processes.run(python(FIVE, "leave", "hold", env={**ENV, "TAG": word}))
    assert done.exit_code == 0
    assert done.stdout == b"ready\n"
    assert done.survivors >= 2
    assert await nobody(word, 0)


async def test_a_child_in_another_session_without_environment_is_found_by_its_descent(
    processes: HostProcesses, tmp_path: Path
) -> None:
    script = "env -i setsid sh -c 'echo $$ >pid; exec sleep 100' & while [ ! -s pid ]; do :; done"
    async with processes.start(sh(f"{script}; echo ready; wait", cwd=str(tmp_path))) as running:
        await _started(running.output())
        child = int((tmp_path / "pid").read_text())
        assert os.getsid(child) == child
    assert await gone(child, 0.5)


async def test_a_program_that_ignores_sigterm_is_killed(processes: HostProcesses) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    async with processes.start(sh(script)) as running:
        await _started(running.output())
        done = await running.stop()
    assert done.exit_code == -signal.SIGKILL


async def test_a_program_that_ends_when_its_input_ends_is_not_signalled(
    processes: HostProcesses,
) -> None:
    async with processes.start(sh("cat >/dev/null; echo bye", keep_stdin=True)) as running:
        done = await running.stop()
    assert (done.exit_code, done.stdout) == (0, b"bye\n")


async def test_a_program_may_tidy_up_when_it_is_asked_to_end(processes: HostProcesses) -> None:
    script = "trap 'echo tidy; exit 5' TERM; echo ready; while :; do sleep 0.02; done"
    async with processes.start(sh(script)) as running:
        await _started(running.output())
        done = await running.stop()
    assert (done.exit_code, done.stdout) == (5, b"ready\ntidy\n")


@pytest.mark.parametrize("tree", [True, False])
async def test_a_hanging_program_is_ended_at_its_timeout(
    processes: HostProcesses, tree: bool
) -> None:
    word = tag()
    done = await processes.run(
        sh("echo begun; sleep 100", timeout=0.1, tree=tree, env={**ENV, "TAG": word})
    )
    assert done.timed_out
    assert done.exit_code == -signal.SIGTERM
    assert done.stdout == b"begun\n"
    assert await nobody(word, 0.5)


async def test_a_timeout_also_ends_what_only_its_output_is_read_of(
    processes: HostProcesses,
) -> None:
    async with processes.start(sh("echo begun; sleep 100", timeout=0.1)) as running:
        said = [piece.bytes async for piece in running.output()]
    assert said == [b"begun\n"]


async def test_a_grandchild_that_holds_the_pipe_does_not_hold_us(
    processes: HostProcesses,
) -> None:
    for tree in (True, False):
        word = tag()
        async with asyncio.timeout(5):
            done = await processes.run(
                sh("sleep 3 & echo out", tree=tree, env={**ENV, "TAG": word})
            )
        assert done.stdout == b"out\n"
        assert not tree or await nobody(word, 0)


async def test_a_grandchild_that_prints_for_ever_does_not_hold_us(
    processes: HostProcesses,
) -> None:
    word = tag()
    async with asyncio.timeout(10):
        done = await processes.run(sh("yes & exit 4", env={**ENV, "TAG": word}, keep=1024))
    assert done.exit_code == 4
    assert len(done.stdout) == 1024
    assert await nobody(word, 0)


async def test_leaving_the_context_early_ends_the_program(processes: HostProcesses) -> None:
    word = tag()
    async with processes.start(sh("sleep 100", env={**ENV, "TAG": word})):
        await somebody(word, 1)
    assert await nobody(word, 0)


async def test_stop_and_wait_tell_the_same_however_often_they_are_asked(
    processes: HostProcesses,
) -> None:
    async with processes.start(sh("sleep 100")) as running:
        first = await running.stop()
        assert await running.stop() is first
        assert await running.wait() is first
    assert await running.wait() is first


async def test_nothing_is_left_where_the_system_has_no_handles_on_processes(
    processes: HostProcesses,
) -> None:
    word = tag()
    script = (
        "import asyncio, os, sys\n"
        "del os.pidfd_open\n"
        "from massgen_ls.adapters.host.process import HostProcesses\n"
        "from massgen_ls.ports import Command\n"
        "from tests.adapters.trees import ENV, FIVE\n"
        "argv = (sys.executable, '-I', '-S', '-c', FIVE, 'leave', 'hold')\n"
        "command = Command(argv, '/', {**ENV, 'TAG': os.environ['TAG']})\n"
        "done = asyncio.run(HostProcesses().run(command))\n"
        "print(done.exit_code, done.survivors)"
    )
    argv = (sys.executable, "-c", script)
    root = str(Path(__file__).parents[2])
    # Without the marker's sweep of our own: what the inner one leaves stays to be seen.
    done = await processes.run(program(argv, cwd=root, env={**ENV, "TAG": word}, tree=False))
    assert done.stdout.startswith(b"0 "), done.stderr
    assert int(done.stdout.split()[1]) >= 2
    assert await nobody(word, 0)


# ── cancellation ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tree", [True, False])
async def test_cancelling_after_any_number_of_steps_leaves_nothing(tree: bool) -> None:
    processes = HostProcesses(patience=Patience(0.01, 0.02, 0.01, 0.05))
    word = tag()
    command = sh(
        "trap '' TERM; cat; sleep 100",
        env={**ENV, "TAG": word},
        stdin=b"x" * 300_000,
        keep_stdin=True,
        tree=tree,
    )

    async def use() -> None:
        async with processes.start(command) as running:
            await running.write(b"y" * 300_000)
            async for _ in running.output():
                break
            await running.close_stdin()
            await running.wait()

    for steps in range(25):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(use())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            # A second one while it is being ended must not get past that either.
            await asyncio.sleep(0)
            task.cancel()
        assert task.cancelled()
        assert await nobody(word, 0.5)


async def test_cancelling_after_any_time_leaves_nothing() -> None:
    processes = HostProcesses(patience=Patience(0.01, 0.05, 0.01, 0.05))
    word = tag()
    for wait in (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(wait):
                await processes.run(python(FIVE, env={**ENV, "TAG": word}))
        assert await nobody(word, 0)


# ── output ──────────────────────────────────────────────────────────────────────────────────────


async def test_fifty_megabytes_without_a_line_end_stay_within_what_is_kept(
    processes: HostProcesses,
) -> None:
    size = 50_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest = 0
    seen = 0
    script = f"head -c {size} /dev/zero | tr '\\0' a"
    async with processes.start(sh(script, keep=100_000)) as running:
        async for piece in running.output():
            largest = max(largest, len(piece.bytes))
            seen += len(piece.bytes)
        done = await running.wait()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert seen == size
    assert largest <= PIECE
    assert done.stdout == b"a" * 100_000
    assert done.dropped == size - 100_000
    assert grown < 20_000_000


async def test_a_slow_reader_holds_the_program_back(
    processes: HostProcesses, tmp_path: Path
) -> None:
    mark = tmp_path / "written"
    script = f"yes | head -c 20000000; touch {mark}"
    async with processes.start(sh(script, keep=1000)) as running:
        output = running.output()
        first = await anext(output)
        # Many turns of the loop, and the program has still not got rid of what it has to say.
        for _ in range(2000):
            await asyncio.sleep(0)
        assert not mark.exists()
        seen = len(first.bytes) + sum([len(piece.bytes) async for piece in output])
    assert seen == 20_000_000
    assert mark.exists()


async def test_a_reader_that_goes_away_does_not_hold_the_program_back(
    processes: HostProcesses,
) -> None:
    async with processes.start(sh("yes | head -c 20000000", keep=1000)) as running:
        async with contextlib.aclosing(running.output()) as output:
            await anext(output)
        async with asyncio.timeout(20):
            done = await running.wait()
    assert done.dropped == 20_000_000 - 1000


async def test_binary_output_arrives_unchanged(processes: HostProcesses) -> None:
    noise = bytes(range(256)) * 1000
    async with processes.start(sh("cat", stdin=noise)) as running:
        said = b"".join([piece.bytes async for piece in running.output()])
        done = await running.wait()
    assert said == noise
    assert done.stdout == noise


async def test_lines_arrive_whole_and_while_the_program_runs(processes: HostProcesses) -> None:
    script = "printf 'on'; printf 'e\\ntwo\\nthr'; read word; echo $word"
    async with processes.start(sh(script, keep_stdin=True)) as running:
        output = running.output()
        said = b""
        while not said.endswith(b"two\n"):
            piece = await anext(output)
            assert piece.bytes.endswith(b"\n")
            said += piece.bytes
        await running.write(b"ee\n")
        assert [piece.bytes async for piece in output] == [b"three\n"]


async def test_ten_megabytes_of_input_to_a_program_that_never_reads_do_not_block(
    processes: HostProcesses,
) -> None:
    async with asyncio.timeout(10):
        done = await processes.run(sh("exit 3", stdin=b"x" * 10_000_000))
        assert done.exit_code == 3
        async with processes.start(sh("sleep 100", stdin=b"x" * 10_000_000)) as running:
            done = await running.stop()
            assert done.exit_code == -signal.SIGTERM
            await running.write(b"nobody reads this")
            await running.close_stdin()


async def test_ten_megabytes_of_input_arrive_whole(processes: HostProcesses) -> None:
    done = await processes.run(sh("wc -c", stdin=b"x" * 10_000_000))
    assert done.stdout.strip() == b"10000000"


async def test_writing_to_a_program_that_has_closed_its_input_is_silent(
    processes: HostProcesses,
) -> None:
    async with processes.start(sh("exec <&-; echo ready; sleep 100", keep_stdin=True)) as running:
        await _started(running.output())
        async with asyncio.timeout(5):
            await running.write(b"x" * 1_000_000)
            await running.write(b"y")


# ── many ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_hundred_at_once_all_end_and_leave_no_descriptor(
    processes: HostProcesses,
) -> None:
    await processes.run(sh("true"))
    before = len(os.listdir("/proc/self/fd"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(processes.run(sh(f"echo {n}", tree=n % 4 == 0)))
                for n in range(100)
            ]
    assert [task.result().stdout for task in tasks] == [b"%d\n" % n for n in range(100)]
    assert len(os.listdir("/proc/self/fd")) == before
