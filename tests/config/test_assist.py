"""What may be typed at a place, what it means, and how findings are made to go away.

``|`` is the cursor.
"""

from __future__ import annotations

import json
import time
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_ls.config import Beside
from massgen_ls.config.assist.complete import Around, Offer, complete
from massgen_ls.config.assist.explained import explain, includes
from massgen_ls.config.assist.findings import Findings, find
from massgen_ls.config.assist.fixes import converted, fixes
from massgen_ls.config.assist.migrate import migrated
from massgen_ls.config.assist.recognise import recognised
from massgen_ls.config.document import scan
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.problems import Where

AROUND = Around(("HOME", "MY_API_KEY", "PATH"), {"goose": "Goose"})
AGENT = "agents:\n- id: x\n  backend:\n    type: claude_code\n"
TOP = Path(__file__).resolve().parents[2]
FILES = [p for place in ("configs", "tests/config/massgen") for p in (TOP / place).rglob("*.yaml")]
TEXTS = [p.read_text() for p in FILES]


def at(marked: str, name: str = "massgen.yaml") -> list[Offer]:
    cursor = marked.rindex("|")
    return complete(marked[:cursor] + marked[cursor + 1 :], cursor, PurePath(name), AROUND)


KEYS = [
    ("ag|", {"agents: ", "checks: "}, {"type: "}),
    ("|", {"agents: "}, set()),
    ("agents: []\n|", {"checks: "}, {"agents: "}),
    ("agents:\n  - id: x\n    ba|\n", {"backend: "}, {"id: ", "agents: "}),
    ("agents:\n  - id: x\n    |\n  - id: y\n", {"backend: "}, {"id: "}),
    ("agents:\n  - id: x\n\n    |", {"backend: "}, {"id: "}),
    ("agents:\n  - |", {"id: "}, {"checks: "}),
    ("agents:\n  -|", {" id: "}, set()),
    ("agents:\n  |", {"- id: "}, {"checks: "}),
    ("agents:\n  - id: x\n  |", {"- id: "}, {"id: "}),
    (AGENT + "    |", {"model: ", "login: "}, {"type: ", "argv: ", "agent: "}),
    (AGENT + "    mo|\n    timeout: 3\n", {"model: "}, {"timeout: "}),
    ("agents:\n- id: x\n  backend: {type: acp, |}\n", {"agent: ", "argv: "}, {"type: "}),
    ("agents:\n- id: x\n  backend: {|\nchecks: []\n", {"type: "}, {"checks: "}),
    ("orchestrator:\n  voting:\n    |\n", {"rule: "}, {"mode: "}),
    ("profiles:\n  ci:\n    orchestrator:\n      |", {"mode: "}, {"rule: "}),
    ("orchestrator:\n  ti|: 5\n", {"timeout"}, {"timeout: "}),
    ("checks:\n  - name: a # note\n    |", {"argv: "}, {"name: "}),
]


@pytest.mark.parametrize(("text", "wanted", "unwanted"), KEYS)
def test_keys(text: str, wanted: set[str], unwanted: set[str]) -> None:
    found = {each.new for each in at(text)}
    assert wanted <= found
    assert not unwanted & found


VALUES = [
    ("orchestrator:\n  mode: |\n", ["best_of_n", "consensus"]),
    ("orchestrator:\n  mode: con|\n", ["best_of_n", "consensus"]),
    ("orchestrator:\n  mode:|", [" best_of_n", " consensus"]),
    ("orchestrator:\n  mode: '|'", ["'best_of_n'", "'consensus'"]),
    ("orchestrator: {sandbox: |}", ["auto", '"off"', "required"]),
    ("orchestrator:\n  early_exit: |", ["true", "false"]),
    (AGENT + "    env: [|]", ["MY_API_KEY", "HOME", "PATH"]),
    (AGENT + "    env:\n      - |", ["MY_API_KEY", "HOME", "PATH"]),
    ("agent:\n  backend: {type: acp, agent: |}", ["goose"]),
    ("agent:\n  backend:\n    type: openai\n    api_key: |", ['"${MY_API_KEY}"']),
    ("checks:\n- name: x\n  parser: |", ["auto", "exit", "junit", "lines"]),
    ("agents: [{id: q}]\norchestrator:\n  voting:\n    judges: [|]", ["q"]),
    ("agent:\n  backend: {type: command, model: |}", []),
    ("agent:\n  system_message: |", []),
    ("agent:\n  system_message: >\n    mo|re: x\n", []),
    ("orchestrator:\n  mode: x # comm|ent\n", []),
]


@pytest.mark.parametrize(("text", "wanted"), VALUES)
def test_values(text: str, wanted: list[str]) -> None:
    assert [each.new for each in at(text)] == wanted


def test_models_are_those_that_the_programs_of_the_tests_know() -> None:
    found = {p.new: p.documentation for p in at(AGENT + "    model: |")}
    assert list(found)[:3] == ["opus", "sonnet", "haiku"]
    assert any(name.startswith("claude-opus-") for name in found)
    listed = json.loads((TOP / "massgen_ls/config/models.json").read_text())
    lock = json.loads((TOP / "tests/programs/package-lock.json").read_text())["packages"]
    packages = {
        "claude_code": "@anthropic-ai/claude-code",
        "codex": "@openai/codex",
        "gemini_cli": "@google/gemini-cli",
    }
    for kind, package in packages.items():
        program = listed["programs"][kind]
        assert program["version"] == lock[f"node_modules/{package}"]["version"], (
            "run scripts/models"
        )
        assert len(program["models"]) == len(set(program["models"])) > 3
        (first, *_) = at(f"agent:\n  backend: {{type: {kind}, model: |}}")
        assert first.documentation == f"Known to {program['program']} {program['version']}."
    seen = at("agent:\n  backend: {type: openai, model: |}")
    assert {p.documentation for p in seen} == {"Named in configurations of MassGen."}


def test_every_type_of_an_agent_is_explained() -> None:
    found = {p.new: p.documentation for p in at(AGENT.replace("claude_code", "cl|"))}
    assert found["claude_code"] == "Claude Code (`claude`)."
    assert "no driver" in found["openai"]


OTHERS = [
    ("massgen.json", '{"orchestrator": {"mode": "|"}}', '"consensus"'),
    ("massgen.json", '{"orchestrator": {"mode": |}}', '"consensus"'),
    ("massgen.json", '{"orchestrator": {"mo|', '"mode": '),
    ("massgen.json", '{|}', '"agents": '),
    ("massgen.json", '{"agents": [{"id": "x", "ba|"}]}', '"backend": '),
    ("massgen.toml", "[orchestrator]\nmo|\n", "mode = "),
    ("massgen.toml", "[orchestrator]\nmode = |\n", '"consensus"'),
    ("massgen.toml", "[orchestrator]\nmode = 'c|'\n", '"consensus"'),
    ("massgen.toml", "[orchest|]\n", "orchestrator"),
    ("massgen.toml", "[orchestrator.vo|]\n", "voting"),
    ("massgen.toml", '[[agents]]\nid = "a"\n[agents.backend]\ntype = "|"', '"claude_code"'),
    ("massgen.toml", "[[agents]]\nid='a'\nbackend={type='acp', |}", "argv = "),
    ("pyproject.toml", "[tool.massgen]\n|", "agents = "),
    ("pyproject.toml", "[tool.massgen.orchestrator]\nmode='|'", '"consensus"'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "wanted"), OTHERS)
def test_other_languages(name: str, text: str, wanted: str) -> None:
    assert wanted in [each.new for each in at(text, name)]


def test_a_foreign_table_is_left_alone() -> None:
    assert at("[tool.ruff]\nli|\n[tool.massgen]\n", "pyproject.toml") == []


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(TEXTS), st.data())
def test_any_prefix_at_any_place_is_answered_at_once(text: str, data: st.DataObject) -> None:
    cut = text[: data.draw(st.integers(0, len(text)))]
    cursor = data.draw(st.integers(0, len(cut)))
    name = data.draw(st.sampled_from(["massgen.yaml", "massgen.json", "massgen.toml"]))
    began = time.perf_counter()
    for each in complete(cut, cursor, PurePath(name), AROUND):
        assert 0 <= each.start <= cursor <= each.end <= len(cut)
    explain(cut, cursor, PurePath(name))
    assert time.perf_counter() - began < 2


@settings(max_examples=150, deadline=None)
@given(st.text("ab:- \n{}[]\"'#|>=,&!\t\\.", max_size=60), st.data())
def test_any_text_is_answered(text: str, data: st.DataObject) -> None:
    cursor = data.draw(st.integers(0, len(text)))
    for name in ("a.yaml", "a.json", "a.toml", "pyproject.toml"):
        complete(text, cursor, PurePath(name), AROUND)
        explain(text, cursor, PurePath(name))


def test_hover_tells_type_default_and_meaning() -> None:
    text = "orchestrator:\n  mode: consensus\n  timeout: 5\n"
    told = explain(text, text.index("timeout") + 2, PurePath("massgen.yaml"))
    assert told is not None
    assert text[told.start : told.end] == "timeout"
    assert "**orchestrator.timeout**: number" in told.text
    assert "Default: `3600.0`" in told.text
    assert explain(text, 0, PurePath("massgen.yaml")) is not None
    assert explain("nothing: 1\n", 2, PurePath("massgen.yaml")) is None


def test_includes_that_are_there_are_found(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("agents: []\n")
    text = "include: [base.yaml, gone.yaml]\n"
    (found,) = includes(text, tmp_path / "massgen.yaml")
    assert (text[found.start : found.end], found.target.name) == ("base.yaml", "base.yaml")


def looked(tmp_path: Path, text: str, name: str = "massgen.yaml") -> Findings:
    file = tmp_path / name
    return find(file, text, Beside({"HOME": str(tmp_path)}, read={file: text}.get))


FIXES = [
    (AGENT + "orchestrator:\n  timout: 5\n", "timeout: 5", "Did you mean 'timeout'?"),
    (AGENT + "orchestrator:\n  mode: consensu\n", "mode: consensus", "Did you mean 'consensus'?"),
    (AGENT + "orchestrator:\n  zzz: 5\n  quorum: 1\n", "tor:\n  quorum: 1", "Remove 'zzz'"),
    (AGENT + "orchestrator: {quorum: 1, zzz: 5}\n", "orchestrator: {quorum: 1}", "Remove 'zzz'"),
    (
        "agent:\n  id: a\n  backend:\n    type: claude\n    api_key: sk-abcdefghijklmnopqrst\n",
        "api_key: ${ANTHROPIC_API_KEY}",
        "Name a variable instead: ${ANTHROPIC_API_KEY}",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted", "title"), FIXES)
def test_a_fix_makes_the_finding_go_away(
    tmp_path: Path, text: str, wanted: str, title: str
) -> None:
    file = tmp_path / "massgen.yaml"
    (finding,) = looked(tmp_path, text).listed
    fix = next(each for each in fixes(text, file, scan(text), finding) if each.title == title)
    after = text[: fix.start] + fix.new + text[fix.end :]
    assert wanted in after
    assert looked(tmp_path, after).listed == ()


def test_a_massgen_file_becomes_ours(tmp_path: Path) -> None:
    text = AGENT + "    cwd: workspace1\nui:\n  display_type: rich_terminal\n"
    found = looked(tmp_path, text, "any.yaml")
    assert found.kind == "massgen"
    whole = converted(text, tmp_path / "any.yaml", scan(text))
    assert whole is not None
    assert looked(tmp_path, whole.new, "any.yaml").kind == "massgen-ls"
    ignored = [each for each in found.listed if each.code == "massgen-ignored"]
    for each in ignored:
        (fix,) = fixes(text, tmp_path / "any.yaml", scan(text), each)
        assert not scan(text[: fix.start] + text[fix.end :]).problems


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("massgen.yaml", "", True),
        (".massgen/config.toml", "", True),
        ("config.toml", "", False),
        ("pyproject.toml", "[project]", False),
        ("pyproject.toml", "[tool.massgen]", True),
        ("team.yaml", AGENT, True),
        ("team.json", '{"agents": [{"backend": {}}]}', True),
        ("compose.yaml", "services: {}", False),
        ("notes.md", AGENT, False),
    ],
)
def test_which_files_are_configurations(name: str, text: str, wanted: bool) -> None:
    assert recognised(Path("/x") / name, text) is wanted


def test_a_file_of_empty_lines_is_looked_at_in_no_time() -> None:
    """The time grows with the text and not with its square."""
    began = time.process_time()
    assert not recognised(PurePath("a.json"), "{" + "\n" * 60_000 + "}")
    assert time.process_time() - began < 1


def test_a_type_that_is_no_word_has_no_meaning() -> None:
    text = "agents:\n  - id: a\n    backend:\n      type: [x]\n      argv: [q]\n"
    for cursor in range(len(text)):
        explain(text, cursor, PurePath("massgen.yaml"))
        complete(text, cursor, PurePath("massgen.yaml"), Around((), {}))


@pytest.mark.parametrize("open_", ["[", "{a: "])
def test_nothing_is_said_of_what_is_nested_without_end(open_: str) -> None:
    text = "agents: " + open_ * 5_000
    assert complete(text, len(text), PurePath("massgen.yaml"), Around((), {})) == []
    assert explain(text, len(text), PurePath("massgen.yaml")) is None


TEAM = """\
# mine
agents:
  - id: one
    backend:
      type: claude_code
      cwd: workspace1
      append_system_prompt: "Be brief"   # please
      allowed_tools: [Read, Edit]
  - id: two
    backend: {type: codex, approval_mode: full-auto}
timeout_settings:
  orchestrator_timeout_seconds: 600
  round_timeout_grace_seconds: 5
ui:
  display_type: simple
"""
MIGRATED = [
    (("agents", 0, "backend", "append_system_prompt"), ("agents", 0, "system_message"), "Be brief"),
    (("agents", 0, "backend", "allowed_tools"), ("agents", 0, "permissions"),
     {"allow": ["read", "edit"]}),
    (("agents", 0, "backend", "allowed_tools", 1), ("agents", 0, "permissions"),
     {"allow": ["read", "edit"]}),
    (("timeout_settings", "orchestrator_timeout_seconds"), ("orchestrator", "timeout"), 600),
    (("agents", 1, "backend", "approval_mode"), ("agents", 1, "permissions"), {"mode": "auto"}),
]  # fmt: skip


@pytest.mark.parametrize(("where", "target", "value"), MIGRATED)
@pytest.mark.parametrize("name", ["any.yaml", "any.json"])
def test_one_key_of_massgens_is_put_where_we_say_it(
    name: str, where: Where, target: Where, value: Any
) -> None:
    text = TEAM if name == "any.yaml" else json.dumps(scan(TEAM).body, indent=2)
    before = scan(text, name)
    fix = migrated(text, PurePath(name), before, where)
    assert fix is not None
    after_text = text[: fix.start] + fix.new + text[fix.end :]
    after = scan(after_text, name)
    assert after.problems == ()
    found: Any = after.body
    for step in target:
        found = found[step]
    assert found == value
    # Of a file that is ours from here on it has to be said what MassGen does with several agents.
    mode = after.body.get("orchestrator", {}).get("mode")
    assert mode == ("consensus" if kind_of(after.body) == "massgen-ls" else None)
    key = where if isinstance(where[-1], str) else where[:-1]
    assert key not in after.keys
    kept = {w: v for w, v in before.leaves() if w[: len(key)] != key}
    assert kept.items() <= dict(after.leaves()).items()
    assert name == "any.json" or after_text.startswith("# mine\n")


@pytest.mark.parametrize(
    "where",
    [
        ("ui",),  # it has no effect here
        ("ui", "display_type"),
        ("timeout_settings",),  # a part of it would be lost
        ("agents", 0, "backend", "cwd"),
        ("agents", 0, "backend", "type"),  # it is the same in both
        ("agents", 0, "id"),
        ("agents",),
        (),
    ],
)
def test_what_cannot_be_put_elsewhere_wholly_stays(where: Where) -> None:
    assert migrated(TEAM, PurePath("any.yaml"), scan(TEAM), where) is None


def test_a_key_that_is_left_in_a_file_of_ours_is_put_in_its_place(tmp_path: Path) -> None:
    text = "agent: {id: a, backend: {type: codex}}\nchecks: []\nmax_rounds: 3\n"
    (finding,) = looked(tmp_path, text).listed
    assert finding.code == "unknown-key"
    fix = migrated(text, tmp_path / "massgen.yaml", scan(text), finding.problem.where)
    assert fix is not None
    assert fix.title == (
        "Migrate MassGen's 'max_rounds' to 'orchestrator.max_new_answers_per_agent'"
    )
    after = text[: fix.start] + fix.new + text[fix.end :]
    assert scan(after).body["orchestrator"] == {"max_new_answers_per_agent": 3}
    assert looked(tmp_path, after).listed == ()
    taken = "agent: {id: a, backend: {type: codex}}\nchecks: []\nmax_rounds: 3\n" + (
        "orchestrator: {max_new_answers_per_agent: 5}\n"
    )
    assert migrated(taken, tmp_path / "massgen.yaml", scan(taken), ("max_rounds",)) is None


def foreign(marked: str) -> dict[str, Offer]:
    cursor = marked.rindex("|")
    text = marked[:cursor] + marked[cursor + 1 :]
    return {o.label: o for o in complete(text, cursor, PurePath("x.yaml"), AROUND, "massgen")}


def test_keys_and_words_of_massgens_files_are_proposed() -> None:
    top = foreign("agents: []\n|")
    assert {"ui", "orchestrator", "timeout_settings", "memory"} <= top.keys()
    assert top["memory"].detail == "not used here"
    assert "AGENTS.md" in top["memory"].documentation
    assert "num_agents" not in top
    assert list(top).index("timeout_settings") < list(top).index("memory")
    backend = foreign("agents:\n  - id: a\n    backend:\n      type: codex\n      |")
    assert backend["approval_mode"].detail == "used here"
    assert "approval_mode" not in foreign("agent:\n  backend:\n    type: openai\n    |")
    modes = foreign("agent:\n  backend:\n    type: claude_code\n    permission_mode: |")
    assert list(modes) == ["default", "acceptEdits", "bypassPermissions", "plan"]
    assert "changes nothing" in modes["plan"].documentation
    assert "claude_code" in foreign("agent:\n  backend:\n    type: |")
    key = foreign("agent:\n  backend:\n    type: openai\n    api_key: |")
    assert key["${MY_API_KEY}"].new == '"${MY_API_KEY}"'


def test_the_pointer_is_told_what_becomes_of_a_massgen_key() -> None:
    told = explain(TEAM, TEAM.index("orchestrator_timeout") + 1, PurePath("x.yaml"), "massgen")
    assert told is not None
    assert "MassGen, used here" in told.text
    assert "`orchestrator.timeout`" in told.text
    told = explain(TEAM, TEAM.index("display_type") + 1, PurePath("x.yaml"), "massgen")
    assert told is not None
    assert "not used: our command line" in told.text
