"""Delivery: read, plan, apply, and plan anew when the files moved on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.landing import decode
from massgen_ls.core.plan import Clash, DeleteFile, EditPlan, EditText, LiveFile
from massgen_ls.core.selection import EVERYTHING, Selection
from massgen_ls.core.task import CandidateId, SeatId
from massgen_ls.core.text import apply_edits
from massgen_ls.engine.delivery import Delivery, clashes, deliverable
from massgen_ls.engine.world import World
from massgen_ls.ports import Landed, LiveFiles, Refused

SNAPSHOT = Snapshot("/home/user/project", "", "/cache/shadow", "c0", "t0", None)
F, G = RelPath("src/f.py"), RelPath("g.txt")
BASE, THEIRS = b"one\ntwo\nthree\n", b"one\ntwo\nTHREE\n"


class Blobs:
    """`ports.Objects` with blobs that are named by their content, in hex."""

    async def read(
        self, snapshot: Snapshot, wanted: Sequence[tuple[RelPath, str]]
    ) -> Sequence[bytes]:
        return [bytes.fromhex(oid) for _, oid in wanted]

    async def outside(self, snapshot: Snapshot, paths: Sequence[RelPath]) -> set[RelPath]:
        return {path for path in paths if path.startswith("other/")}


@dataclass
class Files:
    """`ports.LiveFiles` in memory; ``meanwhile`` happens after every reading."""

    files: dict[RelPath, bytes]
    meanwhile: list[Callable[[dict[RelPath, bytes]], None]] = field(default_factory=list)
    refusal: Refused | None = None
    asked: list[EditPlan] = field(default_factory=list)

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        assert root == SNAPSHOT.root
        found = {
            path: LiveFile(path, self.files[path], decode(self.files[path]))
            for path in paths
            if path in self.files
        }
        if self.meanwhile:
            self.meanwhile.pop(0)(self.files)
        return found

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        self.asked.append(plan)
        if self.refusal is not None:
            return self.refusal
        after = dict(self.files)
        for operation in plan.operations:
            match operation:
                case EditText(path, _, before, edits):
                    if self.files[path].decode() != before:
                        return Refused(f"{path} changed", stale=True)
                    after[path] = apply_edits(before, edits).encode()
                case DeleteFile(path):
                    del after[path]
                case _:
                    raise AssertionError(operation)
        self.files = after
        return Landed()


@dataclass(frozen=True)
class Part:
    """The three things that delivery takes out of the world."""

    objects: Blobs = field(default_factory=Blobs)
    differ: object = staticmethod(differ)
    refiner: object = staticmethod(refiner)


WORLD = cast(World, Part())


def modify(path: RelPath, base: bytes = BASE, theirs: bytes = THEIRS) -> FileChange:
    return FileChange("modify", path, None, base.hex(), theirs.hex(), "file", "file", 1, 1)


def candidate(*changes: FileChange, summary: str = "") -> Candidate:
    return Candidate(
        CandidateId("alice.1"), SeatId("alice"), "t0", "t1", "c1", ChangeSet.of(changes), summary
    )


async def deliver(
    wanted: Candidate,
    files: LiveFiles,
    selection: Selection = EVERYTHING,
    snapshot: Snapshot = SNAPSHOT,
) -> Delivery:
    return await (await deliverable(WORLD, snapshot, wanted, files, selection)).deliver()


async def plan(wanted: Candidate, files: LiveFiles) -> EditPlan:
    return await (await deliverable(WORLD, SNAPSHOT, wanted, files)).plan()


def typed(files: dict[RelPath, bytes]) -> None:
    files[F] = b"# typed\n" + files[F]


def ruined(files: dict[RelPath, bytes]) -> None:
    files[F] = files[F].replace(b"three", b"drei")


async def test_a_candidate_lands_in_what_the_user_has_now() -> None:
    files = Files({F: b"zero\n" + BASE})
    done = await deliver(candidate(modify(F)), files)
    assert (done.applied, done.paths, done.conflicts, done.reason) == (True, (F,), (), "")
    assert files.files == {F: b"zero\n" + THEIRS}


async def test_a_user_who_types_on_gets_it_merged_anew() -> None:
    files = Files({F: BASE}, [typed, typed, typed])
    done = await deliver(candidate(modify(F)), files)
    assert done.applied
    assert files.files == {F: b"# typed\n" * 3 + THEIRS}
    assert len(files.asked) == 4


async def test_after_three_new_plans_the_user_is_left_in_peace() -> None:
    files = Files({F: BASE}, [typed] * 9)
    done = await deliver(candidate(modify(F)), files)
    assert not done.applied
    assert "kept changing" in done.reason
    assert len(files.asked) == 4
    assert files.files == {F: b"# typed\n" * 4 + BASE}


async def test_a_change_meanwhile_that_conflicts_is_told_and_not_written() -> None:
    files = Files({F: BASE}, [ruined])
    done = await deliver(candidate(modify(F)), files)
    assert not done.applied
    assert [conflict.reason for conflict in done.conflicts] == ["overlap"]
    assert done.reason == "1 file conflicts with your own changes"
    assert files.files == {F: BASE.replace(b"three", b"drei")}


async def test_a_refusal_that_a_new_plan_cannot_mend_ends_it() -> None:
    files = Files({F: BASE}, refusal=Refused("the disk is full"))
    done = await deliver(candidate(modify(F)), files)
    assert (done.applied, done.reason, len(files.asked)) == (False, "the disk is full", 1)


async def test_what_does_not_conflict_lands_beside_what_does() -> None:
    files = Files({F: BASE.replace(b"three", b"drei"), G: BASE})
    done = await deliver(candidate(modify(F), modify(G)), files)
    assert (done.applied, done.paths) == (True, (G,))
    assert [conflict.path for conflict in done.conflicts] == [F]
    assert files.files == {F: BASE.replace(b"three", b"drei"), G: THEIRS}


async def test_landing_twice_is_landing_once() -> None:
    files = Files({F: BASE})
    await deliver(candidate(modify(F)), files)
    again = await deliver(candidate(modify(F)), files)
    assert (again.applied, again.paths, again.reason) == (True, (), "")
    assert len(files.asked) == 1


async def test_a_part_lands_and_a_part_that_does_not_exist_is_said() -> None:
    files = Files({F: BASE, G: BASE})
    both = candidate(modify(F), modify(G))
    assert (await deliver(both, files, Selection.of([G]))).paths == (G,)
    assert (await deliver(both, files, Selection.of(hunks={F: [0]}))).paths == (F,)
    with pytest.raises(NotFoundError):
        await deliver(both, files, Selection.of(hunks={F: [5]}))


async def test_a_plan_is_named_in_one_line_by_what_the_agent_says() -> None:
    files = Files({F: BASE})
    said = candidate(modify(F), summary="\n  Rename three.  \nAnd more")
    assert (await plan(said, files)).label == "Rename three."
    silent = candidate(modify(F))
    assert (await plan(silent, files)).label == "massgen: alice.1"
    long = candidate(modify(F), summary="x" * 500)
    assert len((await plan(long, files)).label) == 80
    assert files.asked == []


async def test_files_that_go_or_are_of_another_repository() -> None:
    gone = FileChange("delete", G, None, BASE.hex(), None, "file", None, 0, 3)
    module = FileChange("modify", F, None, "c1", "c2", "submodule", "submodule")
    files = Files({F: b"", G: BASE})
    done = await deliver(candidate(gone, module), files)
    assert (done.applied, done.paths) == (True, (G,))
    assert [(c.path, c.reason) for c in done.conflicts] == [(F, "unsupported")]
    assert files.files == {F: b""}


async def test_a_folder_that_the_user_made_a_link_is_in_the_way(tmp_path: Path) -> None:
    top = str(tmp_path)
    snapshot = Snapshot(top, "", "/cache/shadow", "c0", "t0", None)
    Path(top, "elsewhere").mkdir()
    Path(top, "src").symlink_to("elsewhere")
    added = FileChange("add", F, None, None, THEIRS.hex(), None, "file", 3, 0)
    done = await deliver(candidate(added), DiskFiles(), snapshot=snapshot)
    assert [conflict.reason for conflict in done.conflicts] == ["exists_here"]
    assert list(Path(top, "elsewhere").iterdir()) == []


def named(content: bytes, algorithm: str = "sha1") -> str:
    """The name that git gives to a content."""
    return hashlib.new(algorithm, b"blob %d\0" % len(content) + content).hexdigest()


class Untouched:
    """`ports.Objects` of which nothing is to be read."""

    async def read(self, snapshot: Snapshot, wanted: object) -> Sequence[bytes]:
        raise AssertionError(wanted)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_files_as_they_were_are_in_nobodys_way_and_cost_no_merge(algorithm: str) -> None:
    base = named(BASE, algorithm)
    changes = (
        FileChange("modify", F, None, base, "n", "file", "file", 1, 1),
        FileChange("rename", RelPath("new/g.txt"), G, base, "n", "file", "file", 1, 1),
        FileChange("add", RelPath("made"), None, None, "n", None, "file", 1, 0),
    )
    world = replace(cast(Part, WORLD), objects=cast(Blobs, Untouched()))
    files = Files({F: BASE, G: BASE})
    assert await clashes(cast(World, world), SNAPSHOT, [candidate(*changes)], files) == ()


@pytest.mark.parametrize(
    ("live", "paths"),
    [
        ({F: BASE, G: BASE}, ()),
        ({F: b"typed\n" + BASE, G: BASE}, ()),
        ({F: BASE.replace(b"three", b"drei"), G: BASE}, (F,)),
        ({G: BASE}, (F,)),
        ({F: BASE, G: b"typed\n" + BASE}, (G,)),
        ({F: BASE}, ()),
        ({F: BASE, G: BASE, RelPath("made"): b"mine\n"}, (RelPath("made"),)),
        ({F: BASE, G: BASE, RelPath("made"): b"new\n"}, ()),
        ({RelPath("src"): b"", G: b"no\n"}, (G, F)),
    ],
)
async def test_who_is_in_the_way_and_where(
    live: dict[RelPath, bytes], paths: tuple[RelPath, ...]
) -> None:
    module = FileChange("modify", RelPath("mod"), None, "a", "b", "submodule", "submodule", 1, 1)
    changes = (
        modify(F),
        FileChange("delete", G, None, BASE.hex(), None, "file", None, 0, 3),
        FileChange("add", RelPath("made"), None, None, b"new\n".hex(), None, "file", 1, 0),
        module,  # it never lands, whoever types
    )
    files = Files(live)
    expected = (Clash(CandidateId("alice.1"), paths),) if paths else ()
    assert await clashes(WORLD, SNAPSHOT, [candidate(*changes)], files) == expected
    assert files.asked == []


async def test_a_read_only_file_holds_back_the_others_until_somebody_says_otherwise(
    tmp_path: Path,
) -> None:
    for path in (F, G, RelPath("locked too.txt")):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(BASE)
    (tmp_path / F).chmod(0o444)
    (tmp_path / "locked too.txt").chmod(0o444)
    here = replace(SNAPSHOT, root=str(tmp_path))
    moved = FileChange(
        "rename", RelPath("to.txt"), RelPath("locked too.txt"), BASE.hex(), THEIRS.hex(),
        "file", "file", 1, 1,
    )  # fmt: skip
    wanted = candidate(modify(F), modify(G), moved)
    whole = await deliver(wanted, DiskFiles(), snapshot=here)
    first = f"{F} is read-only: make it writable (`chmod u+w {F}`), then apply again"
    second = (
        "locked too.txt is read-only: make it writable (`chmod u+w 'locked too.txt'`), "
        "then apply again"
    )
    assert (whole.applied, whole.paths, whole.others) == (False, (), True)
    assert sorted(each.why for each in whole.blocked) == [second, first]
    assert whole.reason in {
        f"{first} (and 1 other file like it)",
        f"{second} (and 1 other file like it)",
    }
    assert (tmp_path / G).read_bytes() == BASE
    partly = await deliver(wanted, DiskFiles(), Selection(partial=True), here)
    assert (partly.applied, partly.paths, partly.whole) == (True, (G,), False)
    assert {each.path for each in partly.blocked} == {F, RelPath("locked too.txt")}
    again = await deliver(wanted, DiskFiles(), Selection(partial=True), here)
    assert (again.applied, again.paths, again.conflicts) == (False, (), ())
    assert set(again.reason.split("; ")) == {first, second}
    (tmp_path / F).chmod(0o644)
    (tmp_path / "locked too.txt").chmod(0o644)
    assert (await deliver(wanted, DiskFiles(), snapshot=here)).whole
    assert (tmp_path / "to.txt").read_bytes() == (tmp_path / F).read_bytes() == THEIRS


async def test_what_a_sparse_checkout_leaves_out_is_not_called_deleted() -> None:
    there, gone = RelPath("other/z.txt"), RelPath("src/gone.py")
    wanted = candidate(modify(F), modify(there), modify(gone))
    done = await deliver(wanted, Files({F: BASE}))
    assert (done.applied, done.paths) == (True, (F,))
    assert [(c.path, c.reason) for c in done.conflicts] == [(gone, "deleted_here")]
    why = (
        "other/z.txt is outside of your sparse checkout: bring it in "
        "(`git sparse-checkout add other`), then apply again"
    )
    assert [each.why for each in done.blocked] == [why]
    alone = await deliver(candidate(modify(there)), Files({}))
    assert (alone.applied, alone.reason, alone.conflicts) == (False, why, ())
