"""Every configuration file of MassGen that lies here: mapped without a loss, in a table."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from massgen_ls.config.document import Document, leaves, parse
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.mapping import convert
from massgen_ls.config.massgen.report import Report

HERE = Path(__file__).parent / "massgen"
FILES = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("*.yaml"))
FIRST_VERSION = [name for name in FILES if name.startswith("v1/")]


def read(name: str) -> Document:
    return parse((HERE / name).read_text("utf-8"), name)


def silent_losses(source: Document, report: Report) -> list[tuple[object, list[str]]]:
    """Leaves that do not stand in exactly one list, with the lists they stand in."""
    covered = {fate: {p.where for p in problems} for fate, problems in report.lists()}
    lost: list[tuple[object, list[str]]] = []
    for where, _ in leaves(source.body):
        ways = {where[:i] for i in range(len(where) + 1)}
        fates = [fate for fate, there in covered.items() if ways & there]
        if len(fates) != 1:
            lost.append((where, fates))
    return lost


@pytest.mark.parametrize("name", FILES)
def test_every_leaf_stands_in_exactly_one_list(name: str) -> None:
    source = read(name)
    assert kind_of(source.body) == "massgen"
    _, report = convert(source)
    assert silent_losses(source, report) == []
    for _, problems in report.lists():
        for problem in problems:
            assert problem.message
            assert (problem.line, problem.column) == source.place(problem.where)
    for problem in (*report.errors, *report.refused):
        assert problem.suggestion, f"{problem.path} says nothing about what to do next"


@pytest.mark.parametrize("name", [name for name in FILES if name not in FIRST_VERSION])
def test_what_massgen_ships_can_be_used(name: str) -> None:
    ours, report = convert(read(name))
    assert report.ok, [p.shown(name) for p in (*report.errors, *report.refused)]
    given = read(name).body
    wanted = given["agents"] if "agents" in given else [given["agent"]]
    found = ours.body["agents"] if "agents" in ours.body else [ours.body["agent"]]
    assert [a["backend"]["type"] for a in found] == [a["backend"]["type"] for a in wanted]
    assert [a["id"].lower()[:3] for a in found] == [a["id"].lower()[:3] for a in wanted]


@pytest.mark.parametrize("name", FIRST_VERSION)
def test_what_massgen_no_longer_reads_says_what_to_write(name: str) -> None:
    _, report = convert(read(name))
    assert not report.ok
    told = {p.where[-1]: p.suggestion for p in report.errors}
    assert told["agent_id"] == "Write `id`"
    assert told["max_duration"].startswith("Write `timeout_settings:")


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[str] = []
    whole: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    lost = 0
    for name in FILES:
        source = read(name)
        _, report = convert(source)
        counts = {fate: len(problems) for fate, problems in report.lists()}
        whole.update(counts)
        lost += len(silent_losses(source, report))
        for fate, problems in report.lists():
            if fate in {"ignored", "refused", "errors"}:
                reasons.update((fate, p.message) for p in problems)
        cells = "".join(f"{counts[fate]:>9}" for fate in ("mapped", "ignored", "refused", "errors"))
        rows.append(f"{name.removesuffix('.yaml')[-62:]:<62}{cells}")
    cells = "".join(f"{whole[fate]:>9}" for fate in ("mapped", "ignored", "refused", "errors"))
    table = [
        f"\n{'':<62}   mapped  ignored  refused   errors",
        *rows,
        f"{f'{len(FILES)} files, {lost} silent losses':<62}{cells}",
        *(f"{count:>6} {fate}: {reason}" for (fate, reason), count in reasons.most_common()),
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join(table) + "\n")
    assert lost == 0


def test_the_largest_takes_less_than_20_ms() -> None:
    name = max(FILES, key=lambda name: (HERE / name).stat().st_size)
    text = (HERE / name).read_text("utf-8")
    convert(parse(text, name))  # what is imported and built once is not counted
    took: list[float] = []
    for _ in range(20):
        document = parse(text, name)
        start = time.process_time()
        convert(document)
        took.append(time.process_time() - start)
    assert min(took) < 0.020


@pytest.mark.parametrize("name", FILES)
def test_reports_are_plain(name: str) -> None:
    _, report = convert(read(name))
    plain = json.loads(json.dumps(report.plain()))
    assert list(plain) == ["ok", "kind", "errors", "mapped", "ignored", "refused"]
    for fate in ("errors", "mapped", "ignored", "refused"):
        for entry in plain[fate]:
            assert set(entry) == {"path", "line", "column", "message", "suggestion"}
