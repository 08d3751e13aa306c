"""What candidates share, composed on real git and tried like any other candidate."""

from __future__ import annotations

from pathlib import Path

from massgen_ls.core.candidate import Candidate
from massgen_ls.core.markdown import markdown
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import scorecards
from massgen_ls.engine.report import run_json
from massgen_ls.testing.agents import Script, writes
from tests.engine.conftest import Bench

BASE = [f"line {n}" for n in range(20)]


def text(**changes: str) -> str:
    """The base with these lines (``_3="x"``) changed."""
    lines = [changes.get(f"_{n}", line) for n, line in enumerate(BASE)]
    return "\n".join(lines) + "\n"


def three() -> dict[str, Script]:
    """Each mends two faults of three and brings one of its own; two share each mended one."""
    return {
        "a": writes(m__py=text(_2="FIX1", _8="FIX2", _18="BUG_A")),
        "b": writes(m__py=text(_8="FIX2", _14="FIX3", _17="BUG_B")),
        "c": writes(m__py=text(_2="FIX1", _14="FIX3", _16="BUG_C"), new__py="same = 1\n"),
    }


def judge(check: str, folder: Path) -> tuple[str, ...]:
    said = (folder / "m.py").read_text()
    return tuple(f"test_{n}" for n in (1, 2, 3) if f"FIX{n}" not in said)


def fused(state: RunState) -> Candidate | None:
    return state.candidate(next((c.id for c in state.candidates if c.parts), "none"))  # type: ignore[arg-type]


async def test_what_two_of_three_share_is_laid_together_and_wins_by_what_it_mends(
    bench: Bench,
) -> None:
    bench.user.write("m.py", text())
    async with bench.engine(three(), judge) as supervisor:
        spec = bench.spec("a", "b", "c", checks=("k",), fusion=True)
        run, state = await bench.finish(supervisor, spec)
        made = fused(state)
        assert made is not None
        assert made.parts == ("a.1", "b.1", "c.1")
        assert (await supervisor.file(run, made.id, "m.py")).decode() == text(
            _2="FIX1", _8="FIX2", _14="FIX3"
        ), "no line that only one of them has"
        assert [f.path for f in made.changes.files] == ["m.py"]
        assert state.verdict is not None
        assert state.verdict.winner == "fused.1"
        assert "it mends 3 failures of the base" in state.verdict.why
        assert "fused: what several of a.1, b.1, c.1 share" in markdown(state, run)
        told = run_json(run, state)["candidates"][0]  # type: ignore[index,call-overload]
        assert told["parts"] == ["a.1", "b.1", "c.1"]  # type: ignore[index,call-overload]
        assert (await supervisor.apply(run, None, bench.disk)).applied
        assert bench.user.repo.joinpath("m.py").read_text().count("FIX") == 3


async def test_it_does_not_win_where_it_measures_no_better(bench: Bench) -> None:
    bench.user.write("m.py", text())
    async with bench.engine(three()) as supervisor:
        spec = bench.spec("a", "b", "c", fusion=True)
        _, state = await bench.finish(supervisor, spec)
        assert fused(state) is not None
        assert state.verdict is not None
        assert state.verdict.winner == "a.1"
        assert len(scorecards(state)) == 4


async def test_there_is_none_of_two_nor_where_it_is_off(bench: Bench) -> None:
    bench.user.write("m.py", text())
    async with bench.engine(three()) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a", "b", fusion=True))
        assert (fused(state), state.fusion_tried) == (None, False)
        _, state = await bench.finish(supervisor, bench.spec("a", "b", "c"))
        assert (fused(state), state.fusion_tried) == (None, False)


async def test_there_is_none_of_what_shares_nothing(bench: Bench) -> None:
    bench.user.write("m.py", text())
    scripts = three() | {"b": writes(x__py="1\n"), "c": writes(y__py="1\n")}
    async with bench.engine(scripts) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a", "b", "c", fusion=True))
        assert (fused(state), state.fusion_tried) == (None, True)
        assert state.verdict is not None
        assert state.verdict.winner is not None
