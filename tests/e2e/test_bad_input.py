"""The bad-input list: after each no process, no lease, an untouched repository, clear words."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys

import pytest

from tests.e2e.world import DEADLINE, World, until

pytestmark = pytest.mark.e2e

APPEND = "open('a.py', 'a').write('six\\n')\n"


confined = pytest.mark.skipif(
    shutil.which("bwrap") is None and os.environ.get("CI") != "true",
    reason="WITHOUT BUBBLEWRAP nothing keeps a program from writing where its user may write",
)

# ── the folder, git, our own folders ────────────────────────────────────────────────────────────


async def test_a_folder_that_is_no_repository(world: World) -> None:
    world.write("a.py", "x\n")
    before = world.fingerprint()
    ended = await world.massgen("run", "x")
    assert ended.code == 2
    assert "not" in ended.err
    assert "git init" in ended.err
    assert "Traceback" not in ended.err
    await world.check_clean(before)


async def test_a_bare_repository(world: World) -> None:
    world.git("init", "-q", "--bare")
    ended = await world.massgen("run", "x")
    assert (ended.code, "bare" in ended.err) == (2, True)


def fake_git(world: World, program: str | None) -> None:
    """Puts a PATH in place on which git is absent, or is this shell script."""
    tools = world.top / "bin"
    tools.mkdir()
    if program is not None:
        (tools / "git").write_text(f"#!/bin/sh\n{program}\n")
        (tools / "git").chmod(0o755)
    world.extra_env["PATH"] = str(tools)


@pytest.mark.parametrize(
    "program",
    [None, "echo git version 2.20.1", "echo nonsense", "exit 1", "kill -9 $$"],
    ids=["missing", "too old", "says nonsense", "fails", "dies"],
)
async def test_a_git_that_cannot_be_used(world: World, program: str | None) -> None:
    world.init()
    before = world.fingerprint()
    fake_git(world, program)
    ended = await world.massgen("run", "x")
    assert ended.code == 2
    assert "git" in ended.err
    assert "2.35" in ended.err
    assert "Traceback" not in ended.err
    doctor = await world.massgen("doctor")
    assert doctor.code == 2
    assert "Install git 2.35" in doctor.out
    assert world.fingerprint() == before


@pytest.mark.parametrize("which", ["MASSGEN_LS_CACHE", "MASSGEN_LS_STATE"])
async def test_a_folder_of_ours_that_cannot_be_written(world: World, which: str) -> None:
    world.init()
    before = world.fingerprint()
    (world.top / "file").write_text("in the way")
    world.extra_env[which] = str(world.top / "file" / "below")
    ended = await world.massgen("run", "x")
    assert ended.code == 1
    assert which in ended.err
    assert "Traceback" not in ended.err
    assert world.fingerprint() == before


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("unshare") is None,
    reason="a full disk of our own needs a mount namespace, which only Linux has",
)
@pytest.mark.parametrize("size", ["64k", "400k"], ids=["at once", "on the way"])
async def test_a_full_cache_folder(world: World, size: str) -> None:
    world.init(**{f"f{i}": os.urandom(20_000).hex() for i in range(30)})
    team = world.configure([world.agent("one", APPEND)])
    before = world.fingerprint()
    world.cache.mkdir()
    mount = f'mount -t tmpfs -o size={size} tmpfs "{world.cache}" && exec "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    plain = world.argv
    world.argv = lambda *a: [*unshare, *plain(*a)]  # type: ignore[method-assign]
    ended = await world.run("--config", str(team))
    if "unshare failed" in ended.err or "mount:" in ended.err:
        pytest.skip(f"this machine gives no mount namespace: {ended.err.strip()}")
    assert ended.code in {1, 3}, ended
    said = ended.err + ended.out
    assert "MASSGEN_LS_CACHE" in said
    assert "Traceback" not in ended.err
    world.argv = plain  # type: ignore[method-assign]
    await world.check_clean(before)


# ── agents ──────────────────────────────────────────────────────────────────────────────────────

HOSTILE: dict[str, tuple[str, str, str]] = {
    # name: (program, outcome of the run, words that the verdict or a notice must hold)
    "crashes": (APPEND + "raise SystemExit(9)", "none", "9"),
    "dies of a signal": (APPEND + "import os; os.kill(os.getpid(), 11)", "none", "SIGSEGV"),
    "hangs": (APPEND + "import time; time.sleep(600)", "none", "3 s"),
    "hangs deaf to TERM": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "none",
        "3 s",
    ),
    "prints binary": (
        APPEND + "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)",
        "won",
        "",
    ),
    "prints a line of 50 MB": (
        APPEND + "import sys; sys.stdout.write('x' * 50_000_000)",
        "won",
        "",
    ),
    "floods both streams": (
        APPEND + "import sys\nfor i in range(100_000): print(i); print(i, file=sys.stderr)",
        "won",
        "",
    ),
    "leaves daemons": (
        APPEND
        + """
import os, sys, time
for how in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        if how:
            fd = os.open(os.devnull, os.O_RDWR)
            [os.dup2(fd, n) for n in (0, 1, 2)]
        time.sleep(600)
        os._exit(0)
""",
        "won",
        "",
    ),
    "deletes its .git": (
        APPEND
        + """
import os, shutil
shutil.rmtree('.git') if os.path.isdir('.git') else os.remove('.git')
""",
        "won",
        "",
    ),
    "replaces its .git": (
        APPEND
        + """
import os, shutil, subprocess
shutil.rmtree('.git') if os.path.isdir('.git') else os.remove('.git')
subprocess.run(['git', 'init', '-q'], check=True)
subprocess.run(['git', '-c', 'user.name=x', '-c', 'user.email=x@x', 'commit', '-q',
                '--allow-empty', '-m', 'x'], check=True)
""",
        "won",
        "",
    ),
    "commits, stashes, branches and collects garbage": (
        APPEND
        + """
import subprocess
def git(*a): subprocess.run(['git', '-c', 'user.name=x', '-c', 'user.email=x@x', *a], check=True)
git('commit', '-qam', 'mine'); open('b.py', 'w').write('b'); git('add', 'b.py'); git('stash')
git('checkout', '-q', '-b', 'other'); git('config', 'core.bare', 'true')
git('config', 'core.bare', 'false'); git('gc', '-q', '--prune=now')
""",
        "won",
        "",
    ),
    "makes links that lead outside": (
        APPEND + "import os; os.symlink('/etc', 'etc'); os.symlink('../../../../..', 'up'); "
        "os.symlink('a.py', 'inside')",
        "won",
        "etc",
    ),
    "makes odd names": (
        "import os\n"
        "for n in [b'new\\nline', b'tab\\t', b'\\xff\\xfe', 'cafe\\u0301'.encode(), "
        "'caf\\xe9'.encode(), b'-rf', b'a b', b'*']:\n"
        "    open(n, 'w').write('x')\n",
        "won",
        "",
    ),
    "renames by case only": ("import os; os.rename('a.py', 'A.py')", "won", ""),
    "makes a huge file": (
        APPEND + "f = open('huge', 'wb'); f.truncate(300 * 1024 * 1024); f.close()",
        "won",
        "huge",
    ),
    "makes what is no file": (APPEND + "import os; os.mkfifo('fifo')", "won", ""),
    "locks itself out": (
        APPEND + "import os; os.makedirs('d'); open('d/x', 'w'); os.chmod('d', 0)",
        "won",
        "",
    ),
    "leaves an index lock": (APPEND + "open('.git/index.lock', 'w')", "won", ""),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_an_agent_that(world: World, name: str) -> None:
    program, outcome, words = HOSTILE[name]
    world.init()
    before = world.fingerprint()
    team = world.configure([world.agent("one", program, timeout=3 if "hang" in name else 60)])
    ended = await world.run("--config", str(team))
    assert ended.outcome == outcome, ended.why
    notes = [e["text"] for e in ended.events if e["kind"] == "notice"]
    assert words in " ".join([ended.why, *notes])
    assert "Traceback" not in ended.err
    await world.check_clean(before)
    if ended.settled["candidates"]:
        # Whatever it did: what was captured can be applied, and stays below the repository.
        applied = await world.massgen("apply", ended.run, "--candidate", "one.1")
        assert applied.code == 0, applied
        assert world.fingerprint() != before
        outside = [n for n in os.listdir(world.top) if n not in OURS]
        assert outside == []
        for path in world.repo.rglob("*"):
            assert not path.is_symlink() or path.resolve().is_relative_to(world.repo)


OURS = {"repo", "home", "cache", "state", "agents", "team.yaml"}


async def test_a_program_that_is_missing_or_cannot_run(world: World) -> None:
    world.init()
    before = world.fingerprint()
    plain = world.top / "agents" / "plain"
    plain.write_text("not a program")
    agents = [
        {"id": "gone", "backend": {"type": "command", "argv": ["no-such-program-here"]}},
        {"id": "plain", "backend": {"type": "command", "argv": [str(plain)]}},
        {"id": "good", "backend": {"type": "command", "argv": ["sh", "-c", "echo 6 >> a.py"]}},
    ]
    ended = await world.run("--config", str(world.configure(agents)))
    assert ended.settled["verdict"]["winner"] == "good.1"
    outcomes = {e["seat"]: e for e in ended.events if e["kind"] == "attempt_ended"}
    assert outcomes["gone"]["outcome"] == "missing"
    assert "no-such-program-here" in outcomes["gone"]["reason"]
    assert outcomes["plain"]["outcome"] in {"missing", "failed"}
    await world.check_clean(before)


@confined
async def test_an_agent_that_writes_outside_of_its_worktree(world: World) -> None:
    world.init()
    before = world.fingerprint()
    program = (
        APPEND
        + f"""
for path in [{str(world.repo / "a.py")!r}, {str(world.repo / ".git/config")!r},
             {str(world.home / "planted")!r}, {str(world.state / "runs.sqlite3")!r}]:
    try:
        open(path, 'a').write('planted')
    except OSError as error:
        print('refused', error.errno)
"""
    )
    ended = await world.run("--config", str(world.configure([world.agent("one", program)])))
    assert ended.outcome == "won"
    assert not (world.home / "planted").exists()
    await world.check_clean(before)


@confined
async def test_an_agent_that_rewrites_the_set_up_for_the_checks(world: World) -> None:
    world.init()
    world.write("setup.sh", "echo made > made.txt\n")
    planted = world.home / "planted"
    before = world.fingerprint()
    agent = world.agent(
        "one", f"open('setup.sh', 'w').write('echo x > made.txt; echo x > {planted}; true\\n')"
    )
    check = {"name": "made", "argv": ["{python}", "-c", "open('made.txt').read()"]}
    for rule in ("required", "auto"):
        worktree = {"setup": [["sh", "setup.sh"]], "setup_key": ["setup.sh"]}
        team = world.configure([agent], [check], worktree=worktree, sandbox=rule)
        ended = await world.run("--config", str(team))
        assert ended.outcome == "won", "set-up works inside of the fence"
        assert not planted.exists(), "a candidate's set-up ran with the user's rights"
    await world.check_clean(before)


async def test_a_set_up_without_the_sandbox_that_is_required(world: World) -> None:
    world.init()
    tools = world.top / "bin"
    tools.mkdir()
    for name in ("git", "sh", "rm", "env"):
        (tools / name).symlink_to(shutil.which(name) or name)
    world.extra_env["PATH"] = str(tools)  # no bubblewrap there
    planted = world.home / "planted"
    before = world.fingerprint()
    team = world.configure(
        [world.agent("one", APPEND)],
        worktree={"setup": [["sh", "-c", f"echo x > {planted}"]]},
        sandbox="required",
    )
    ended = await world.run("--config", str(team))
    assert ended.outcome == "none"
    assert "sandbox is required" in ended.why
    assert not planted.exists()
    await world.check_clean(before)


async def test_a_check_that_hangs(world: World) -> None:
    world.init()
    before = world.fingerprint()
    argv = ["{python}", "-c", "import time; 'six' in open('a.py').read() and time.sleep(600)"]
    checks = [{"name": "slow", "argv": argv, "timeout": 1}]
    ended = await world.run("--config", str(world.configure([world.agent("one", APPEND)], checks)))
    assert (ended.code, ended.outcome) == (4, "abstained")
    assert "slow" in ended.why
    await world.check_clean(before)


async def test_a_check_that_hangs_on_the_base_is_held_against_nobody(world: World) -> None:
    world.init()
    argv = ["{python}", "-c", "import time; time.sleep(600)"]
    checks = [{"name": "slow", "argv": argv, "timeout": 1}]
    ended = await world.run("--config", str(world.configure([world.agent("one", APPEND)], checks)))
    assert ended.outcome == "won"
    await world.gone()


# ── our own death ───────────────────────────────────────────────────────────────────────────────

STEPS = [
    "run_started",
    "snapshot_taken",
    "attempt_started",
    "attempt_ended",
    "candidate_captured",
    "check_finished",
]


async def test_kill_9_leaves_nothing_in_the_homes_of_agents(world: World) -> None:
    world.init()
    before = world.fingerprint()
    program = """
import os, time
open(os.path.join(os.environ['HOME'], 'token'), 'w').write('secret')
time.sleep(600)
"""
    team = world.configure([world.agent("slow", program)])
    async with world.started("run", "x", "--json", "--config", str(team)) as process:
        await until(process, "attempt_started")
        async with asyncio.timeout(DEADLINE):
            while not [*world.cache.glob("shadows/*/trees/*/home/token")]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    assert any("token" in path for path in world.held())
    await world.check_clean(before)


@pytest.mark.parametrize("step", STEPS)
async def test_kill_9_at_any_step_loses_nothing(world: World, step: str) -> None:
    world.init()
    before = world.fingerprint()
    forks = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
time.sleep(600)
"""
    checks = [{"name": "k", "argv": ["{python}", "-c", "pass"]}]
    agents = [world.agent("quick", APPEND), world.agent("slow", forks)]
    team = world.configure(agents, checks)
    async with world.started("run", "x", "--json", "--config", str(team)) as process:
        if step == "check_finished":
            await until(process, "candidate_captured")  # the base's check comes earlier
        event = await until(process, step)
        run = event["run"]
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    # The next start, of anything, ends and settles what was left.
    listed = await world.massgen("show", run, "--json")
    assert listed.code == 0, listed
    await world.check_clean(before)
    shown = await world.massgen("show", run, "--json")
    body = json.loads(shown.out)
    assert body["verdict"]["outcome"] == "cancelled"
    if step in {"candidate_captured", "check_finished"}:
        assert [c["id"] for c in body["candidates"]] == ["quick.1"]
        applied = await world.massgen("apply", run, "--candidate", "quick.1")
        assert applied.code == 0, applied
        assert (world.repo / "a.py").read_text().endswith("five\nsix\n")


async def test_a_terminated_run_wraps_up(world: World) -> None:
    world.init()
    before = world.fingerprint()
    team = world.configure([world.agent("slow", APPEND + "import time; time.sleep(600)")])
    async with world.started("run", "x", "--json", "--config", str(team)) as process:
        await until(process, "attempt_started")
        process.send_signal(signal.SIGTERM)
        settled = await until(process, "run_settled")
        await process.communicate()
        assert process.returncode == 5
    assert settled["verdict"]["outcome"] == "cancelled"
    await world.check_clean(before)


async def test_a_reader_that_goes_away_does_not_leave_a_run_behind(world: World) -> None:
    world.init()
    before = world.fingerprint()
    team = world.configure([world.agent("slow", "import time; time.sleep(600)")])
    async with world.started("run", "x", "--json", "--config", str(team)) as process:
        await until(process, "attempt_started")
        assert process.stdout is not None
        process.stdout._transport.close()  # type: ignore[attr-defined]
        process.send_signal(signal.SIGINT)
        await process.wait()
    await world.check_clean(before)
