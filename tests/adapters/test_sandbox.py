"""Inside of the fence: what may be written, what cannot be seen, and that nothing gets out."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from massgen_ls.adapters.host.process import HostProcesses, Patience
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.errors import MassgenError
from massgen_ls.ports import Command, Fence, Finished
from tests.adapters.trees import ENV, FIVE, nobody, somebody, tag

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are for Linux")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home with secrets in it."""
    home = tmp_path / "user"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_text("secret")
    (home / ".netrc").write_text("secret")
    (home / "notes.txt").write_text("public")
    return home


@pytest.fixture
def sandbox(home: Path) -> Sandbox:
    sandbox = Sandbox.probe(str(home), ENV["PATH"])
    if not sandbox.works:
        pytest.skip(f"THE SANDBOX IS NOT TESTED HERE: {sandbox.describe().text}")
    return sandbox


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


async def inside(
    sandbox: Sandbox,
    tree: Path,
    script: str,
    *,
    fence: Fence | None = None,
    argv: tuple[str, ...] = (),
) -> Finished:
    processes = HostProcesses(sandbox=sandbox, patience=Patience(0.1, 0.5, 0.05, 0.3))
    command = Command(
        argv or ("sh", "-c", script), str(tree), ENV, fence=fence or Fence((str(tree),)), timeout=20
    )
    return await processes.run(command)


async def test_the_worktree_can_be_written_and_nothing_else(
    sandbox: Sandbox, tree: Path, home: Path
) -> None:
    script = f"echo a >in; echo b >{home}/out; echo c >/etc/out; rm {home}/notes.txt; exit 0"
    done = await inside(sandbox, tree, script)
    assert done.exit_code == 0
    assert (tree / "in").read_text() == "a\n"
    assert (home / "notes.txt").read_text() == "public"
    assert not (home / "out").exists()
    assert not _there("/etc/out")


async def test_the_fence_cannot_be_undone_from_inside(
    sandbox: Sandbox, tree: Path, home: Path
) -> None:
    script = (
        f"mount -o remount,rw / ; mount -o remount,bind,rw {home.parent}; mount -o remount,rw /tmp;"
        f"umount -l {home}/.ssh; umount -l /tmp; cat {home}/.ssh/*; echo x >{home}/notes.txt;"
        "exit 0"
    )
    done = await inside(sandbox, tree, script)
    assert b"secret" not in done.stdout
    assert (home / "notes.txt").read_text() == "public"


async def test_secrets_of_the_user_cannot_be_read(sandbox: Sandbox, tree: Path, home: Path) -> None:
    done = await inside(sandbox, tree, f"ls -A {home}/.ssh; cat {home}/.netrc {home}/notes.txt")
    assert done.stdout == b"public"


async def test_hidden_folders_and_files_appear_empty(
    sandbox: Sandbox, tree: Path, home: Path
) -> None:
    fence = Fence((str(tree),), hidden=(str(home), str(home / "absent")))
    done = await inside(sandbox, tree, f"ls -A {home}; touch {home}/x || echo no", fence=fence)
    assert done.stdout == b"no\n"


async def test_a_writable_folder_inside_of_a_hidden_one_is_there(
    sandbox: Sandbox, tree: Path
) -> None:
    fence = Fence((str(tree),), hidden=(str(tree.parent),))
    done = await inside(sandbox, tree, f"echo ok >in; ls {tree.parent}", fence=fence)
    assert done.stdout == b"tree\n"
    assert (tree / "in").read_text() == "ok\n"


async def test_the_folder_for_temporary_files_is_fresh_and_goes_away(
    sandbox: Sandbox, tree: Path
) -> None:
    name = f"/tmp/{tag()}"
    done = await inside(sandbox, tree, f"echo x >{name} && cat {name}")
    assert done.stdout == b"x\n"
    assert not _there(name)


async def test_a_worktree_behind_a_symlink_works(sandbox: Sandbox, tree: Path) -> None:
    link = tree.parent / "link"
    link.symlink_to(tree)
    done = await inside(sandbox, link, "echo a >in && cat in", fence=Fence((str(link),)))
    assert done.stdout == b"a\n"


async def test_a_link_out_of_the_worktree_does_not_open_what_it_leads_to(
    sandbox: Sandbox, tree: Path, home: Path
) -> None:
    (tree / "way").symlink_to(home)
    await inside(sandbox, tree, "echo x >way/notes.txt")
    assert (home / "notes.txt").read_text() == "public"


async def test_an_agent_can_commit_in_a_worktree_of_a_writable_repository(
    sandbox: Sandbox, tree: Path
) -> None:
    shadow = tree.parent / "shadow.git"
    git = {**ENV, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tree)}
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        git[f"GIT_{name}"] = "x"
    script = (
        f"git init -q --bare {shadow} && cd {shadow} && "
        f"git worktree add -q --detach {tree}/w $(git commit-tree -m base $(git mktree </dev/null))"
    )
    processes = HostProcesses(sandbox=sandbox)
    made = await processes.run(Command(("sh", "-c", script), "/", git))
    assert made.exit_code == 0, made.stderr
    done = await processes.run(
        Command(
            ("sh", "-c", "echo x >f && git add f && git commit -qm c && git log --format=%s"),
            f"{tree}/w",
            git,
            fence=Fence((f"{tree}/w", str(shadow))),
        )
    )
    assert done.stdout == b"c\nbase\n", done.stderr


async def test_daemons_with_a_clear_environment_do_not_get_away(
    sandbox: Sandbox, tree: Path
) -> None:
    # Ten tries to leave: own session, no environment, a parent that is gone.
    mark = tag()
    script = (
        f"cp $(command -v sleep) ./{mark}; i=0; while [ $i -lt 10 ]; do"
        f" (env -i setsid ./{mark} 100 >/dev/null 2>&1 &) ; i=$((i+1)); done; exit 0"
    )
    done = await inside(sandbox, tree, script)
    assert done.exit_code == 0
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in _command_line(pid)]


def _there(path: str) -> bool:
    return os.path.exists(path)


def _command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


async def test_a_tree_of_five_ends_with_its_sandbox(sandbox: Sandbox, tree: Path) -> None:
    word = tag()
    processes = HostProcesses(sandbox=sandbox, patience=Patience(0.1, 0.3, 0.05, 0.3))
    argv = (sys.executable, "-I", "-S", "-c", FIVE, "hold")
    command = Command(argv, str(tree), {**ENV, "TAG": word}, fence=Fence((str(tree),)))
    async with processes.start(command) as running:
        await somebody(word, 5)
        await running.stop()
        assert await nobody(word, 0)


async def test_a_program_may_tidy_up_when_it_is_asked_to_end(sandbox: Sandbox, tree: Path) -> None:
    processes = HostProcesses(sandbox=sandbox, patience=Patience(0.1, 5.0, 0.05, 0.3))
    script = "trap 'echo tidy; exit 5' TERM; echo ready; while :; do sleep 0.02; done"
    command = Command(("sh", "-c", script), str(tree), ENV, fence=Fence((str(tree),)))
    async with processes.start(command) as running:
        await anext(running.output())
        done = await running.stop()
    assert (done.exit_code, done.stdout) == (5, b"ready\ntidy\n")


async def test_what_cannot_be_started_raises_as_it_does_outside(
    sandbox: Sandbox, tree: Path
) -> None:
    processes = HostProcesses(sandbox=sandbox)
    fence = Fence((str(tree),))
    with pytest.raises(FileNotFoundError):
        await processes.run(Command(("no-such-program",), str(tree), ENV, fence=fence))
    with pytest.raises(NotADirectoryError):
        await processes.run(Command(("true",), str(tree / "gone"), ENV, fence=fence))


async def test_the_network_is_left_alone(sandbox: Sandbox, tree: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        script = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        processes = HostProcesses(sandbox=sandbox)
        argv = (sys.executable, "-I", "-S", "-c", script)
        done = await processes.run(Command(argv, str(tree), ENV, fence=Fence(())))
    assert done.exit_code == 0, done.stderr


async def test_a_required_fence_without_sandbox_starts_nothing(tree: Path, home: Path) -> None:
    for sandbox in (None, Sandbox.probe(str(home), "/nowhere")):
        processes = HostProcesses(sandbox=sandbox)
        command = Command(
            ("touch", "ran"), str(tree), ENV, fence=Fence((str(tree),), required=True)
        )
        with pytest.raises(MassgenError, match="sandbox is required"):
            await processes.run(command)
        assert not (tree / "ran").exists()
        done = await processes.run(
            Command(("touch", "ran"), str(tree), ENV, fence=Fence((str(tree),)))
        )
        assert done.exit_code == 0
        (tree / "ran").unlink()


def test_a_machine_without_sandbox_says_so_and_what_to_do(home: Path) -> None:
    told = Sandbox.probe(str(home), "/nowhere").describe()
    assert not told.works
    assert "install bubblewrap" in told.text


def test_a_sandbox_program_that_fails_counts_as_none(tmp_path: Path, home: Path) -> None:
    fake = tmp_path / "bin" / "bwrap"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    told = Sandbox.probe(str(home), str(fake.parent)).describe()
    assert not told.works
    assert "Permission denied" in told.text


async def test_of_the_folder_for_temporary_files_only_what_is_needed_is_there(
    sandbox: Sandbox, tree: Path, home: Path
) -> None:
    with contextlib.ExitStack() as stack:
        needed, named, linked, other = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp"))) for _ in range(4)
        )
        link = Path(f"/tmp/{tag()}")
        link.symlink_to(linked)
        stack.callback(link.unlink)
        for folder in (needed, named, linked, other):
            (folder / "file").write_text(folder.name)
        fence = Fence((str(tree),), readable=(str(needed / "deep"), str(link)))
        processes = HostProcesses(sandbox=sandbox, patience=Patience(0.1, 0.5, 0.05, 0.3))
        env = {**ENV, "NAMED": f"{home}:{named}/bin"}
        look = tree / "look"
        look.write_text(
            f"#!/bin/sh\ncat {needed}/file {link}/file {named}/file\necho\n"
            f"cat {other}/file || echo not there\necho x >{needed}/file\nexit 0\n"
        )
        look.chmod(0o755)
        done = await processes.run(Command(("./look",), str(tree), env, fence=fence))
        read = f"{needed.name}{linked.name}{named.name}\nnot there\n"
        assert (done.exit_code, done.stdout.decode()) == (0, read), done.stderr
        assert (needed / "file").read_text() == needed.name


async def test_a_program_behind_links_finds_what_it_needs(sandbox: Sandbox, tree: Path) -> None:
    """As the interpreter of a virtual environment that lies elsewhere than the toolchain."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as tools,
        tempfile.TemporaryDirectory(dir="/tmp") as venv,
    ):
        program = Path(tools, "real")
        program.write_text(f"#!{tools}/sh\necho ran\n")
        program.chmod(0o755)
        Path(tools, "sh").symlink_to("/bin/sh")
        Path(venv, "link").symlink_to(program)
        (tree / "run").symlink_to(Path(venv, "link"))
        done = await inside(sandbox, tree, "", argv=("./run",))
    assert done.stdout == b"ran\n", done.stderr
