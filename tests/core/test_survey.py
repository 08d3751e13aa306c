"""Where the hunks of a candidate stand in the user's text: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.core.changes import ChangeKind, ChangeSet, FileChange, RelPath
from massgen_ls.core.landing import Contents, decode
from massgen_ls.core.merge import rebase
from massgen_ls.core.plan import LiveFile
from massgen_ls.core.survey import FileSurvey, fate_of, place_hunks, standing, survey

BASE = "".join(f"{n}\n" for n in range(1, 11))
THEIRS = BASE.replace("2\n", "TWO\n", 1).replace("6\n", "").replace("9\n", "9\nnew\n")


def states(base: str, live: str, theirs: str) -> list[tuple[str, tuple[int, int]]]:
    return [(each.state, each.live) for each in place_hunks(base, live, theirs, differ)]


def test_hunks_move_along_with_what_the_user_typed_above() -> None:
    assert states(BASE, BASE, THEIRS) == [("fits", (1, 2)), ("fits", (5, 6)), ("fits", (9, 9))]
    typed = "top\n" + BASE.replace("4\n", "")
    assert states(BASE, typed, THEIRS) == [("fits", (2, 3)), ("fits", (5, 6)), ("fits", (9, 9))]


def test_a_hunk_that_is_there_and_one_in_whose_way_the_user_is() -> None:
    live = BASE.replace("2\n", "TWO\n", 1).replace("6\n", "six\nsechs\n")
    assert states(BASE, live, THEIRS) == [
        ("landed", (1, 2)),
        ("conflicts", (5, 7)),
        ("fits", (10, 10)),
    ]


def test_texts_are_those_of_the_hunk() -> None:
    first, second, third = place_hunks(BASE, BASE, THEIRS, differ)
    assert [(h.hunk, h.old, h.new) for h in (first, second, third)] == [
        (0, "2\n", "TWO\n"),
        (1, "6\n", ""),
        (2, "", "new\n"),
    ]
    assert (second.base, second.candidate) == ((5, 6), (5, 5))


def of(live: str, theirs: str = THEIRS) -> FileSurvey:
    path = RelPath("f")
    return FileSurvey(path, None, "modify", path, False, place_hunks(BASE, live, theirs, differ))


def test_what_became_of_what_had_landed() -> None:
    landed = standing([of(THEIRS)])
    assert landed == {("f", 0), ("f", 1), ("f", 2)}
    for live, fate in (
        (THEIRS, "kept"),
        ("top\n" + THEIRS, "kept"),
        (THEIRS.replace("TWO", "Two"), "edited"),
        (BASE.replace("2\n", "TWO\n", 1), "edited"),
        (BASE, "undone"),
        ("top\n" + BASE, "undone"),
        ("", "edited"),
    ):
        assert fate_of(landed, [of(live)]) == fate, live
    part = BASE.replace("2\n", "TWO\n", 1)
    taken = standing([of(part)])
    assert taken == {("f", 0)}, "what was not taken is not missed"
    assert fate_of(taken, [of(part)]) == "kept"
    assert fate_of(taken, [of(BASE)]) == "undone"


LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=12).map("".join)


@settings(deadline=None)
@given(LINES, LINES, LINES)
def test_what_is_said_of_a_hunk_is_what_a_merge_of_all_does(
    base: str, live: str, theirs: str
) -> None:
    placed = place_hunks(base, live, theirs, differ)
    merged = rebase(base, live, theirs, differ)
    assert [h.hunk for h in placed] == [*range(len(placed))]
    if live not in {theirs, base}:
        assert {h.hunk for h in placed if h.state == "fits"} == set(merged.fitting)
        clashing = {n for clash in merged.conflicts for n in clash.hunks}
        assert {h.hunk for h in placed if h.state == "conflicts"} == clashing
    for h in placed:
        assert base.splitlines(keepends=True)[slice(*h.base)] == h.old.splitlines(keepends=True)
        assert 0 <= h.live[0] <= h.live[1] <= live.count("\n")


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def surveyed(
    kind: ChangeKind,
    path: str,
    old_path: str | None = None,
    *,
    base: Mapping[str, bytes],
    theirs: Mapping[str, bytes],
    now: Mapping[str, bytes],
) -> FileSurvey:
    old, new = None if kind == "add" else "file", None if kind == "delete" else "file"
    change = FileChange(
        kind,
        RelPath(path),
        RelPath(old_path) if old_path else None,
        old_type=old,  # type: ignore[arg-type]
        new_type=new,  # type: ignore[arg-type]
    )
    files = {RelPath(p): LiveFile(RelPath(p), c, decode(c), "file", None) for p, c in now.items()}
    known = [{RelPath(p): c for p, c in each.items()} for each in (base, theirs)]
    (found,) = survey(ChangeSet((change,)), Contents(known[0], known[1], files), differ, refiner)
    return found


def test_a_changed_file_lists_its_hunks_under_the_name_that_the_user_has() -> None:
    sides = {"base": {"a": BASE.encode()}, "theirs": {"b": THEIRS.encode()}}
    found = surveyed("rename", "b", "a", **sides, now={"a": BASE.encode()})
    assert (found.path, found.old_path, found.live_path) == ("b", "a", "a")
    assert (found.whole, len(found.hunks)) == (False, 3)
    assert surveyed("rename", "b", "a", **sides, now={"b": BASE.encode()}).live_path == "b"


def test_a_file_without_hunks_is_one_piece() -> None:
    base, theirs = {"a": b"\0old"}, {"a": b"\0new"}
    binary = surveyed("modify", "a", base=base, theirs=theirs, now=base)
    assert (binary.whole, [h.state for h in binary.hunks]) == (True, ["fits"])
    changed = surveyed("modify", "a", base=base, theirs=theirs, now={"a": b"\0mine"})
    assert [h.state for h in changed.hunks] == ["conflicts"]
    assert [h.state for h in surveyed("add", "n", base={}, theirs={"n": b"x\n"}, now={}).hunks] == [
        "fits"
    ]
    there = surveyed("add", "n", base={}, theirs={"n": b"x\n"}, now={"n": b"x\n"})
    assert [(h.state, h.new, h.live) for h in there.hunks] == [("landed", "x\n", (0, 1))]
    gone = surveyed("delete", "a", base={"a": b"x\n"}, theirs={}, now={})
    assert (gone.whole, [(h.state, h.old) for h in gone.hunks]) == (True, [("landed", "x\n")])
    lost = surveyed("modify", "a", base={"a": b"x\n"}, theirs={"a": b"y\n"}, now={})
    typed = surveyed("modify", "a", base=base, theirs=theirs, now={"a": b"text\n"})
    assert (typed.whole, [h.state for h in typed.hunks]) == (True, ["conflicts"])
    assert [h.state for h in lost.hunks] == ["conflicts"]


def test_line_ends_of_the_user_s_count_as_equal() -> None:
    crlf = BASE.replace("\n", "\r\n").encode()
    sides = {"base": {"a": BASE.encode()}, "theirs": {"a": THEIRS.encode()}}
    assert [h.state for h in surveyed("modify", "a", **sides, now={"a": crlf}).hunks] == [
        "fits"
    ] * 3
