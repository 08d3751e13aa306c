"""The file of what is trusted, and what a folder is held against it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from massgen_ls.adapters.host.trusting import Gate, TrustStore, claim, top_of
from massgen_ls.core.errors import StorageError
from massgen_ls.core.powers import Power
from massgen_ls.core.trust import Claim, Source, UntrustedError

WANTS = (Power("massgen.yaml", 1, "worktree.setup", "x", "starts a program"),)


def store(tmp_path: Path) -> TrustStore:
    return TrustStore(tmp_path / "state", lambda: "now")


def some(root: str = "/r", scope: str = ".", **files: str) -> Claim:
    return Claim(root, scope, WANTS, (), files or {"massgen.yaml": "1"})


def repository(tmp_path: Path, name: str = "repo", **files: str) -> Path:
    folder = tmp_path / name
    (folder / ".git").mkdir(parents=True)
    for path, text in {"massgen.yaml": "x: 1", **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def wanted(folder: Path, config: Path | None = None) -> Claim:
    config = config or folder / "massgen.yaml"
    digest = hashlib.sha256(config.read_bytes()).hexdigest() if config.exists() else "gone"
    power = replace(WANTS[0], file=str(config))
    return claim(str(folder), (Source(str(config), digest),), (power,))


# ── the store ───────────────────────────────────────────────────────────────────────────────────


def test_what_is_trusted_is_remembered_and_forgotten(tmp_path: Path) -> None:
    kept = store(tmp_path)
    assert kept.read().folders == {}
    assert kept.read().complaint == ""
    kept.approve(some(), "user")
    kept.approve(some(scope="sub", a="2"), "editor")
    (root,) = kept.read().folders
    scopes = kept.read().folders[root]
    assert {s: (a.by, a.at, dict(a.files)) for s, a in scopes.items()} == {
        ".": ("user", "now", {"massgen.yaml": "1"}),
        "sub": ("editor", "now", {"a": "2"}),
    }
    kept.approve(some(), "user")
    assert set(kept.read().folders[root]) == {"."}, "a newer word above is the one that counts"
    assert kept.revoke("/r")
    assert not kept.revoke("/r")
    assert kept.read().folders == {}


def test_the_newest_states_of_a_folder_are_remembered(tmp_path: Path) -> None:
    kept = store(tmp_path)
    for number in [*range(25), 20]:
        kept.approve(some(a=str(number)), "user")
    found = kept.read().folders["/r"]["."]
    states = [found.files["a"], *(state["a"] for state in found.earlier)]
    assert states == ["20", "24", "23", "22", "21", *(str(n) for n in range(19, 4, -1))]
    kept.approve(some(a="x"), "editor")
    assert kept.read().folders["/r"]["."].earlier == (), "an editor's word is not the user's"
    # Many files are remembered of few states: the store has its bound.
    for number in range(5):
        kept.approve(some("/big", **{f"f{n}": str(number) for n in range(400)}), "user")
    assert len(kept.read().folders["/big"]["."].earlier) == 2
    assert kept.revoke("/r")
    body = json.loads(kept.path.read_text())
    del body["folders"]["/big"]["."]["earlier"]  # as it was written before there were any
    kept.path.write_text(json.dumps(body))
    assert kept.read().folders["/big"]["."].earlier == ()
    body["folders"]["/big"]["."]["earlier"] = [{"a": 1}]
    kept.path.write_text(json.dumps(body))
    assert "is damaged" in kept.read().complaint


def test_it_is_the_user_s_alone(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.approve(some(), "user")
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700
    assert {p.name for p in kept.folder.iterdir()} == {"trust.json", "trust.json.lock"}


def test_writers_at_one_time_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        store(tmp_path).approve(some(f"/r{number}"), "user")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    assert set(store(tmp_path).read().folders) == {f"/r{n}" for n in range(24)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"version": 2, "folders": {}}',
        b'{"version": 1, "folders": {"/r": {".": {"by": "me", "at": "", "files": {}}}}}',
        b'{"version": 1, "folders": {"/r": {".": {"by": "user", "at": "", "files": {"a": 1}}}}}',
        b'{"version": 1, "folders": {"/r": {".": []}}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_damaged_one_trusts_nothing_and_says_so(tmp_path: Path, content: bytes) -> None:
    kept = store(tmp_path)
    kept.approve(some(), "user")
    kept.path.write_bytes(content)
    known = kept.read()
    assert known.folders == {}
    assert "is damaged" in known.complaint
    kept.approve(some("/new"), "user")
    assert set(kept.read().folders) == {"/new"}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_one_that_others_could_write_trusts_nothing(tmp_path: Path, mode: int) -> None:
    kept = store(tmp_path)
    kept.approve(some(), "user")
    kept.path.chmod(mode)
    assert kept.read().folders == {}
    assert "can be written by others" in kept.read().complaint
    kept.path.chmod(0o600)
    kept.folder.chmod(0o777)
    assert kept.read().folders == {}
    assert "'s folder can be written by others" in kept.read().complaint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", [".", "trust.json"])
def test_somebody_else_s_trusts_nothing(tmp_path: Path, name: str) -> None:
    kept = store(tmp_path)
    kept.approve(some(), "user")
    os.chown(kept.folder / name, 12345, 12345)
    assert kept.read().folders == {}
    assert "belongs to user 12345" in kept.read().complaint


def test_a_link_or_a_folder_in_its_place_trusts_nothing(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.approve(some(), "user")
    elsewhere = tmp_path / "elsewhere.json"
    kept.path.rename(elsewhere)
    kept.path.symlink_to(elsewhere)
    assert "is a link" in kept.read().complaint
    kept.path.unlink()
    kept.path.mkdir()
    assert kept.read().folders == {}
    assert kept.read().complaint
    with pytest.raises(StorageError, match="cannot be written"):
        kept.approve(some(), "user")
    assert [p.name for p in kept.folder.iterdir() if "trust.json." in p.name] == ["trust.json.lock"]


def test_a_state_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StorageError, match="MASSGEN_LS_STATE"):
        store(tmp_path).approve(some(), "user")
    assert store(tmp_path).read().folders == {}


# ── what a folder wants ─────────────────────────────────────────────────────────────────────────


def test_trust_is_for_one_repository_at_its_real_path(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    inner = repository(repo, "cloned")
    (repo / "sub/deep").mkdir(parents=True)
    gate = Gate(store(tmp_path))
    gate.store.approve(wanted(repo), "user")
    assert gate.admit(wanted(repo))
    assert gate.admit(wanted(repo / "sub/deep", repo / "massgen.yaml"))
    link = tmp_path / "link"
    link.symlink_to(repo)
    assert gate.admit(wanted(link)), "a link to the folder is the folder"
    with pytest.raises(UntrustedError, match="not trusted yet"):
        gate.admit(wanted(inner))
    with pytest.raises(UntrustedError, match="not trusted yet"):
        gate.admit(wanted(repository(tmp_path, "same")))
    repo.rename(tmp_path / "moved")
    with pytest.raises(UntrustedError, match="not trusted yet"):
        gate.admit(wanted(tmp_path / "moved"))
    repository(tmp_path, "repo", **{"massgen.yaml": "x: 2"})
    with pytest.raises(UntrustedError, match=r"massgen\.yaml has changed"):
        gate.admit(wanted(repo))


@pytest.mark.parametrize(
    "name",
    [".claude/settings.json", ".claude/hooks/a.sh", ".mcp.json", ".gemini/settings.json",
     ".gemini/extensions/x/x.json", ".codex/config.toml", ".codex/hooks.json", ".env",
     ".agents/skills/s/SKILL.md", ".opencode/plugin/x.js", "opencode.json", ".qwen/settings.json",
     ".vscode/mcp.json", ".cursor/mcp.json"],
)  # fmt: skip
@pytest.mark.parametrize("folder", [".", "sub"])
def test_what_agents_obey_is_part_of_it(tmp_path: Path, name: str, folder: str) -> None:
    repo = repository(tmp_path)
    (repo / "sub").mkdir()
    file = repo / folder / name
    gate = Gate(store(tmp_path))

    def now() -> Claim:
        return wanted(repo / "sub", repo / "massgen.yaml")

    gate.store.approve(now(), "user")
    file.parent.mkdir(parents=True, exist_ok=True)
    shown = file.relative_to(repo).as_posix()
    for text, word in (("1", "is new"), ("2", "has changed")):
        file.write_text(text)
        with pytest.raises(UntrustedError, match=f"{shown} {word}"):
            gate.admit(now())
        gate.store.approve(now(), "user")
        assert gate.admit(now())
        assert any("obeys it" in power.why for power in now().own)
    file.unlink()
    assert gate.admit(now()), "as it was trusted first"
    gate.store.revoke(now().root)
    file.write_text("2")
    gate.store.approve(now(), "user")
    file.unlink()
    with pytest.raises(UntrustedError, match=f"{shown} is gone"):
        gate.admit(now())


def test_links_are_followed_to_what_agents_would_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "settings.json").write_text("1")
    repo = repository(tmp_path)
    (repo / ".claude").symlink_to(outside)
    (outside / "loop").symlink_to(outside)
    (outside / "broken").symlink_to(tmp_path / "nowhere")
    gate = Gate(store(tmp_path))
    gate.store.approve(wanted(repo), "user")
    assert gate.admit(wanted(repo))
    (outside / "settings.json").write_text("2")
    with pytest.raises(UntrustedError, match=r"\.claude/settings\.json has changed"):
        gate.admit(wanted(repo))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    os.mkfifo(repo / ".mcp.json")
    (repo / ".claude").mkdir()
    os.mkfifo(repo / ".claude/settings.json")
    found = wanted(repo)
    assert found.files[".mcp.json"] == found.files[".claude/settings.json"] == "special"


def test_checkouts_that_an_agent_keeps_there_do_not_count(tmp_path: Path) -> None:
    repo = repository(tmp_path, **{".claude/worktrees/a/.claude/x": "1", ".claude/x": "1"})
    assert set(wanted(repo).files) == {"massgen.yaml", ".claude/x"}


def test_more_than_can_be_looked_at_cannot_be_trusted(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    for number in range(1001):
        (repo / f".claude/{number // 100}").mkdir(parents=True, exist_ok=True)
        (repo / f".claude/{number // 100}/{number}").write_text("")
    found = wanted(repo)
    assert "more than 1000 files" in found.trouble
    with pytest.raises(UntrustedError, match="cannot be trusted"):
        Gate(store(tmp_path)).admit(found, "granted")
    big = repository(tmp_path, "big")
    with (big / ".mcp.json").open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    assert "more than 8 MiB" in wanted(big).trouble


def test_a_configuration_that_lies_elsewhere_is_no_project_s(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    (repo / "massgen.yaml").rename(tmp_path / "outside.yaml")
    (repo / "massgen.yaml").symlink_to(tmp_path / "outside.yaml")
    found = wanted(repo)
    assert "repo/massgen.yaml is a link that leads out of the repository, to " in found.trouble
    for word in ("once", "granted", "editor", None):
        with pytest.raises(UntrustedError, match="cannot be trusted"):
            Gate(store(tmp_path)).admit(found, word)
    (repo / "massgen.yaml").unlink()
    (repo / "real.yaml").write_text("x: 1")
    (repo / "massgen.yaml").symlink_to("real.yaml")
    assert wanted(repo).trouble == "", "a link within it is as good as a file"
    (repo / "massgen.yaml").unlink()
    (repo / ".massgen").symlink_to(tmp_path)
    assert "a link that leads out" in wanted(repo, repo / ".massgen/outside.yaml").trouble


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_needs_trust_whatever_it_says(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    os.chown(repo / "massgen.yaml", 12345, 12345)
    found = replace(wanted(repo), powers=wanted(repo).powers[1:])
    assert [p.why for p in found.powers] == ["the file belongs to another user, 12345"]
    with pytest.raises(UntrustedError, match="belongs to another user"):
        Gate(store(tmp_path)).admit(found)


def test_a_folder_without_a_repository_is_its_own_top(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert top_of(str(tmp_path / "a/b")) == str(tmp_path.resolve() / "a/b")


def test_a_damaged_store_is_said_with_the_refusal(tmp_path: Path) -> None:
    gate = Gate(store(tmp_path))
    gate.store.approve(some(), "user")
    body = json.loads(gate.store.path.read_text())
    gate.store.path.write_text(json.dumps(body)[:-5])
    with pytest.raises(UntrustedError, match=r"is damaged(.|\n)*not trusted yet"):
        gate.admit(wanted(repository(tmp_path)))


def test_an_editor_s_word_takes_nothing_from_the_user_s(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.approve(some(a="1"), "user")
    kept.approve(some(scope="sub", a="2"), "user")
    kept.approve(some(a="1"), "editor")
    approvals = kept.read().folders["/r"]
    assert {scope: each.by for scope, each in approvals.items()} == {".": "user", "sub": "user"}
    kept.approve(some(a="3"), "editor")
    assert kept.read().folders["/r"]["."].by == "editor", "what the user trusted is not there now"
