"""Laws of the mapping, on MassGen's own files, changed at random."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from massgen_ls.config.document import Document, leaves
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.mapping import convert
from massgen_ls.config.massgen.orchestrator import ORCHESTRATOR
from massgen_ls.config.massgen.tables import TOP
from massgen_ls.config.massgen.writing import write
from massgen_ls.config.schema import Configuration

FILES = Path(__file__).resolve().parents[1] / "config" / "massgen"
PLANTED = "sk-planted-0123456789abcdef"

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**6),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from([PLANTED, "${HOME}", "../up", "/abs", "docker", "strict", "openai", "codex"]),
)
KEYS = st.one_of(
    st.sampled_from([*TOP.rows, *ORCHESTRATOR.rows, "backend", "id", "api_key", "env", "path"]),
    st.text(min_size=1, max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


@cache
def bodies() -> tuple[Any, ...]:
    files = sorted(FILES.rglob("*.yaml"))
    return tuple(yaml.safe_load(file.read_text("utf-8")) for file in files)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A file of MassGen with some values changed, taken out, added or called otherwise."""
    body = copy.deepcopy(draw(st.sampled_from(range(len(bodies()))).map(lambda i: bodies()[i])))
    for _ in range(draw(st.integers(0, 4))):
        holder: Any = body
        while isinstance(holder, dict | list) and holder:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            key = draw(st.sampled_from(keys))
            below = holder[key]
            if isinstance(below, dict | list) and below and draw(st.integers(0, 5)):
                holder = below
                continue
            match draw(st.sampled_from(["change", "drop", "add", "rename"])):
                case "change":
                    holder[key] = draw(VALUES)
                case "drop":
                    del holder[key]
                case "add" if isinstance(holder, dict):
                    holder[draw(KEYS)] = draw(VALUES)
                case "rename" if isinstance(holder, dict):
                    holder[draw(KEYS)] = holder.pop(key)
                case _:
                    holder.append(draw(VALUES)) if isinstance(holder, list) else None
            break
    return body


TWICE = {"agents": [{"id": "a", "backend": {"type": "claude_code"}}]}


@settings(max_examples=400, deadline=None)
@given(documents() | VALUES)
@example({**TWICE, "agent": {}})
@example({**TWICE, "orchestrator": {"context_paths": [{"path": "src", "permission": []}]}})
@example({**TWICE, "agent": {"logging_enabled": True}})
def test_no_leaf_is_lost_and_nothing_raises(body: Any) -> None:
    before = copy.deepcopy(body)
    ours, report = convert(Document(body, {}))
    assert repr(body) == repr(before), "the source stays as it is"
    covered = {fate: {p.where for p in problems} for fate, problems in report.lists()}
    for where, _ in leaves(body):
        ways = {where[:i] for i in range(len(where) + 1)}
        fates = [fate for fate, there in covered.items() if ways & there]
        assert len(fates) == 1, (where, fates)
    json.dumps(report.plain())
    told = [p.message + p.suggestion for _, problems in report.lists() for p in problems]
    mentioned = [text for text in told if PLANTED in text and "no key" not in text]
    assert mentioned == []
    assert kind_of(body) == kind_of(before)
    if report.ok:
        try:
            Configuration.model_validate(ours.body)
        except ValidationError as errors:
            # Types without a driver, and variables that are not replaced yet.
            left = [
                error
                for error in errors.errors()
                if error["type"] != "union_tag_invalid" and "${" not in str(error["input"])
            ]
            assert left == []


@settings(max_examples=150, deadline=None)
@given(documents())
def test_what_is_written_is_what_was_meant(body: Any) -> None:
    ours, report = convert(Document(body, {}))
    if report.errors:
        return
    text = write(ours, report, "some\nfile.yaml")
    read = yaml.safe_load(text)
    assert repr(read) == repr(ours.body)
    assert kind_of(read) == "massgen-ls"
