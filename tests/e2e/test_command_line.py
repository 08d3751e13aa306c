"""``massgen-ls`` as a user types it: outcomes, exit codes, the record, delivery."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from tests.e2e.world import World, interrupt, until
from tests.fakes.pictures import DOT

pytestmark = pytest.mark.e2e

APPEND = "open('a.py', 'a').write('{0}\\n')"
SLEEP = "import time; time.sleep(600)"
GATE = {
    "name": "gate",
    "argv": ["{python}", "-c", "import sys; sys.exit('bad' in open('a.py').read())"],
}


async def test_the_winner_is_shown_and_nothing_is_written(world: World) -> None:
    world.init()
    before = world.fingerprint()
    team = world.configure([world.agent("one", APPEND.format("six"))])
    ended = await world.massgen("run", "add a line", "--config", str(team))
    assert ended.code == 0
    assert "+six\n" in ended.out, "the diff goes to standard output, and nothing else"
    assert ended.out.startswith("diff --git a/a.py b/a.py")
    assert "won: one.1" in ended.err
    await world.check_clean(before)


async def test_a_picture_reaches_the_agent(world: World) -> None:
    world.init()
    (world.home / "dot.png").write_bytes(DOT)
    look = (
        "import re, shutil, sys; "
        "shutil.copy(re.search(r'Picture: dot.png .(.*)[)]', sys.stdin.read())[1], 'seen.png')"
    )
    team = str(world.configure([world.agent("one", look, stdin="prompt")]))
    shown = str(world.home / "dot.png")
    ended = await world.run("--config", team, "--attach", shown, "--apply")
    assert ended.code == 0, ended.err
    assert (world.repo / "seen.png").read_bytes() == DOT
    for wrong, words in ((team, "is not a picture"), ("no.png", "--attach no.png: No such file")):
        ended = await world.massgen("run", "x", "--config", team, "--attach", wrong)
        assert (ended.code, words in ended.err) == (2, True), ended.err


async def test_json_is_one_event_a_line_and_ends_with_the_settled_run(world: World) -> None:
    world.init()
    team = world.configure([world.agent("one", APPEND.format("six"))], [GATE])
    ended = await world.run("--config", str(team))
    kinds = [event["kind"] for event in ended.events]
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_settled"
    assert kinds.count("run_settled") == 1
    assert {"snapshot_taken", "attempt_ended", "candidate_captured", "check_finished"} <= {*kinds}
    assert ended.settled["verdict"]["winner"] == "one.1"
    (candidate,) = ended.settled["candidates"]
    assert candidate["files"] == [
        {"path": "a.py", "kind": "modify", "oldPath": None, "added": 1, "removed": 0}
    ]
    facts = [event["seq"] for event in ended.events[:-1] if event["kind"] != "delta"]
    assert facts == list(range(1, len(facts) + 1))


async def test_what_breaks_a_check_loses_to_what_does_not(world: World) -> None:
    world.init()
    team = world.configure(
        [
            world.agent("bold", APPEND.format("bad")),
            world.agent("calm", APPEND.format("good")),
        ],
        [GATE],
    )
    ended = await world.run("--config", str(team))
    assert (ended.code, ended.settled["verdict"]["winner"]) == (0, "calm.1"), ended.out
    assert "bold.1 is ruled out" in ended.why


async def test_exit_codes_tell_the_outcomes_apart(world: World) -> None:
    world.init()
    good = world.agent("good", APPEND.format("six"))
    bad = world.agent("bad", APPEND.format("bad"))
    idle = world.agent("idle", "")
    crash = world.agent("crash", "raise SystemExit(7)")
    slow = world.agent("slow", SLEEP)
    table = [
        ([good], [], 0, "won"),
        ([idle, crash], [], 3, "none"),
        ([bad], [GATE], 4, "abstained"),
    ]
    for agents, checks, code, outcome in table:
        ended = await world.run("--config", str(world.configure(agents, checks)))
        assert (ended.code, ended.outcome) == (code, outcome), ended.why
    late = await world.run("--config", str(world.configure([slow], timeout=1)))
    assert (late.code, late.outcome) == (5, "cancelled")
    assert "time" in late.why.lower()
    await world.gone()


async def test_one_late_agent_does_not_cost_the_others_their_work(world: World) -> None:
    world.init()
    team = world.configure(
        [
            world.agent("good", APPEND.format("six")),
            world.agent("slow", SLEEP),
        ],
        timeout=2,
    )
    ended = await world.run("--config", str(team))
    assert (ended.code, ended.settled["verdict"]["winner"]) == (0, "good.1")
    assert "slow" in ended.why
    await world.gone()


async def test_usage_and_configuration_end_with_two(world: World) -> None:
    world.init()
    assert (await world.massgen("run")).code == 2
    assert (await world.massgen("nonsense")).code == 2
    missing = await world.massgen("run", "x", "--config", "nowhere.yaml")
    assert missing.code == 2
    assert "nowhere.yaml" in missing.err
    assert "Traceback" not in missing.err
    scope = await world.massgen("run", "x", "--scope", "absent.py")
    assert (scope.code, "absent.py" in scope.err) == (2, True)
    team = world.configure([world.agent("one", "")])
    unknown = await world.massgen("run", "x", "--config", str(team), "--agents", "two")
    assert unknown.code == 2
    assert "two" in unknown.err
    assert "one" in unknown.err, "what there is, is named"


async def test_apply_merges_into_what_the_user_has(world: World) -> None:
    world.init(extra="keep\n")
    world.write("a.py", "ONE\ntwo\nthree\nfour\nfive\n")  # not committed
    world.write("new.txt", "untracked\n")
    program = """
        import os
        text = open('a.py').read()
        assert text.startswith('ONE'), 'the snapshot has what is not committed'
        assert os.path.exists('new.txt')
        open('a.py', 'w').write(text.replace('five', 'FIVE'))
        os.makedirs('pkg')
        open('pkg/made.py', 'w').write('made\\n')
        os.remove('extra')
        os.rename('new.txt', 'moved.txt')
    """
    team = world.configure([world.agent("one", program)])
    ended = await world.run("--config", str(team), "--apply")
    assert ended.code == 0, ended
    assert (world.repo / "a.py").read_text() == "ONE\ntwo\nthree\nfour\nFIVE\n"
    assert (world.repo / "pkg/made.py").read_text() == "made\n"
    assert not (world.repo / "extra").exists()
    assert not (world.repo / "new.txt").exists()
    assert (world.repo / "moved.txt").read_text() == "untracked\n"
    assert "M a.py" in world.git("status", "--short")


async def test_a_run_can_be_listed_shown_and_applied_later(world: World) -> None:
    world.init()
    team = world.configure(
        [world.agent("one", APPEND.format("six")), world.agent("two", APPEND.format("seven!"))]
    )
    ended = await world.run("--config", str(team))
    (tried,) = [event for event in ended.events if event["kind"] == "landing_tried"]
    assert (tried["candidates"], tried["clashes"]) == (["one.1", "two.1"], [])
    listed = await world.massgen("runs", "--json")
    (record,) = [json.loads(line) for line in listed.out.split("\n") if line]
    assert (record["run"], record["outcome"], record["winner"]) == (ended.run, "won", "one.1")
    assert sorted(record["candidates"]) == ["one.1", "two.1"]
    shown = await world.massgen("show", ended.run[:13], "--json")
    body = json.loads(shown.out)
    assert body["verdict"] == ended.settled["verdict"]
    assert "+six" in body["diff"]
    text = await world.massgen("show", ended.run)
    assert "one.1" in text.out
    assert "two.1" in text.out
    # The user typed on, elsewhere in the file: both stay.
    world.write("a.py", "zero\none\ntwo\nthree\nfour\nfive\n")
    assert (await world.massgen("apply", ended.run, "--candidate", "two.1")).code == 0
    assert (world.repo / "a.py").read_text() == "zero\none\ntwo\nthree\nfour\nfive\nseven!\n"
    # The other one now touches the same lines: said, and not written.
    again = await world.massgen("apply", ended.run, "--json")
    assert again.code == 6
    answer = json.loads(again.out)
    assert [c["path"] for c in answer["conflicts"]] == ["a.py"]
    assert "seven!" in (world.repo / "a.py").read_text()
    unknown = await world.massgen("apply", ended.run, "--candidate", "nine.1")
    assert (unknown.code, "one.1" in unknown.err) == (2, True)
    assert (await world.massgen("show", "nope")).code == 2


async def test_ctrl_c_cancels_and_keeps_what_was_captured(world: World) -> None:
    world.init()
    before = world.fingerprint()
    team = world.configure(
        [
            world.agent("quick", APPEND.format("six")),
            world.agent("slow", "import time; open('a.py', 'a').write('half\\n'); time.sleep(600)"),
        ]
    )
    async with world.started("run", "x", "--json", "--config", str(team)) as process:
        await until(process, "candidate_captured")
        interrupt(process)
        settled = await until(process, "run_settled")
        await process.communicate()
        assert process.returncode == 5
    assert settled["verdict"]["outcome"] == "cancelled"
    assert "quick.1" in [c["id"] for c in settled["candidates"]]
    await world.check_clean(before)
    assert (await world.massgen("apply", settled["run"], "--candidate", "quick.1")).code == 0
    assert (world.repo / "a.py").read_text().endswith("five\nsix\n")


async def test_cancel_reaches_a_run_of_another_process(world: World) -> None:
    world.init()
    team = world.configure([world.agent("slow", SLEEP)])
    async with world.started("run", "x", "--json", "--config", str(team)) as process:
        started = await until(process, "attempt_started")
        ended = await world.massgen("cancel", started["run"])
        assert ended.code == 0, ended
        settled = await until(process, "run_settled")
        assert settled["verdict"]["outcome"] == "cancelled"
        await process.communicate()
        assert process.returncode == 5
    assert (await world.massgen("cancel", started["run"])).code == 2, "it is over already"
    await world.gone()


async def test_the_scope_reaches_the_agent(world: World) -> None:
    world.init()
    (world.repo / "sub").mkdir()
    world.write("sub/b.py", "b\n")
    program = """
        import json, sys
        said = [sys.argv[1:], sys.stdin.read(), open("b.py").read()]
        open("seen.txt", "w").write(json.dumps(said))
    """
    agent = world.agent("one", program, stdin="prompt")
    agent["backend"]["argv"] += ["{file}", "{first}-{last}", "{files:.py}"]
    team = world.configure([agent])
    ended = await world.run(
        "--config", str(team), "--scope", "b.py:2-3", "--apply", cwd=world.repo / "sub"
    )
    assert ended.code == 0, ended
    argv, prompt, content = json.loads((world.repo / "sub/seen.txt").read_text())
    assert argv == ["b.py", "2-3", "b.py"], "paths as seen from where the agent runs"
    assert prompt.startswith("do it")
    assert content == "b\n"
    assert ended.settled["candidates"][0]["files"][0]["path"] == "sub/seen.txt"


async def test_what_became_of_the_agents_work_is_told_over_many_runs(world: World) -> None:
    world.init()
    agents = [world.agent("calm", APPEND.format("good")), world.agent("bold", APPEND.format("bad"))]
    ended = await world.run("--config", str(world.configure(agents, [GATE])), "--apply")
    assert ended.code == 0, ended
    told = await world.massgen("stats", "--json")
    calm, bold, gate = (json.loads(line) for line in told.out.splitlines())
    assert (gate["check"], gate["passedTaken"], gate["failedTaken"]) == ("gate", 1, 0)
    assert (calm["agent"], calm["wins"], calm["contests"], calm["accepted"]) == ("calm", 1, 1, 1)
    assert (bold["agent"], bold["wins"], bold["contests"], bold["accepted"]) == ("bold", 0, 1, 0)
    table = await world.massgen("stats")
    assert "1 of 1" in table.out
    assert "passed, taken" in table.out
    page = await world.massgen("show", ended.settled["run"], "--markdown")
    assert "| **calm.1** | 1 file, 1 line | passed | – | – |" in page.out


async def test_a_folder_that_was_deleted_is_said(world: World) -> None:
    gone = world.top / "gone"
    for command in ("doctor", "run x", "init --yes"):
        gone.mkdir()
        script = f"rmdir {gone}; exec {sys.executable} -m massgen_ls {command}"
        done = await asyncio.create_subprocess_exec(
            *("sh", "-c", script), cwd=gone, env=world.env, stderr=asyncio.subprocess.PIPE
        )
        _, err = await done.communicate()
        said = err.decode()
        assert (done.returncode, "is not there any more" in said) == (2, True), said
        assert "Traceback" not in said


async def test_who_reads_no_more_is_no_failure(world: World) -> None:
    world.init()
    for command in ("doctor", "clean", "runs"):
        ours, theirs = os.pipe()
        os.close(ours)
        done = await asyncio.create_subprocess_exec(
            *world.argv(command),
            cwd=world.repo,
            env=world.env,
            stdout=theirs,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(theirs)
        _, err = await done.communicate()
        assert (command, done.returncode, err) == (command, 141, b"")
