"""What agents write into files that git ignores is named: it lands nowhere."""

from __future__ import annotations

import os
from pathlib import Path

from massgen_ls.core.task import CandidateId, WorktreeRules
from tests.fakes.repositories import PLAIN, RUN, Rooms, UserRepo

_RULES = ".env*\n*.local\n*.log\ntarget/\nmade/\nnode_modules\n"


async def test_new_ignored_files_are_named_and_what_programs_leave_is_not(
    repo: UserRepo, rooms: Rooms
):
    repo.write("src/kept.local", "tracked all the same\n")
    repo.git("add", "-f", ".")
    repo.commit("rules", **{".gitignore": _RULES})
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        for left in ("run.log", "target/a", "node_modules/dep/.env", "src/__pycache__/x.local"):
            (top / left).parent.mkdir(parents=True, exist_ok=True)
            (top / left).write_text("derived")
        (top / "made").mkdir()
        for number in range(20):
            (top / f"made/{number}").write_text("by a program")
        os.utime(top / "a.py")
        nothing = await lease.capture(CandidateId("s.1"), "m")
        (top / ".env").write_text("KEY=1\n")
        (top / "src/config.local").write_text("x\n")
        ignored_alone = await lease.capture(CandidateId("s.2"), "m")
        (top / "src/kept.local").write_text("changed\n")
        beside = await lease.capture(CandidateId("s.3"), "m")
    assert (nothing.changes.paths(), nothing.unseen) == ((), ())
    assert (ignored_alone.changes.paths(), ignored_alone.unseen) == (
        (),
        (".env", "src/config.local"),
    )
    assert (beside.changes.paths(), beside.unseen) == (
        ("src/kept.local",),
        (".env", "src/config.local"),
    )


async def test_included_files_are_named_where_they_were_changed_or_deleted(
    repo: UserRepo, rooms: Rooms
):
    repo.commit("rules", **{".gitignore": _RULES})
    for name in (".env", ".env.test", ".env.gone", "made/own", "node_modules/dep.js"):
        repo.write(name, "brought\n")
    taken = await rooms.take(repo.top)
    rules = WorktreeRules(include=(".env*", "made", "node_modules"))
    for _ in range(2):  # the set-up of the first lease is not what its second one wrote
        async with rooms.worktrees.lease(taken, RUN, rules) as lease:
            untouched = await lease.capture(CandidateId("s.1"), "m")
            top = Path(lease.path)
            with (top / ".env").open("a") as file:
                file.write("MORE=1\n")
            (top / ".env.gone").unlink()
            (top / "made/own").write_text("changed\n")
            (top / "node_modules/dep.js").write_text("patched\n")
            made = await lease.capture(CandidateId("s.1"), "m")
        assert untouched.unseen == ()
        assert (made.changes.paths(), made.unseen) == ((), (".env", ".env.gone", "made/own"))
