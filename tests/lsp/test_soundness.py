"""What the user hears of configurations that no editor shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.lsp.files.livefiles import Deadlines
from massgen_ls.testing.editor import ServerError
from massgen_ls.wiring import ConfiguredDesk
from tests.lsp.editor import VSCODE, Client, talking

GOOD = "orchestrator:\n  timeout: 60\n"
WRONG = "orchestrator:\n  timeuot: 60\n"
SHOWN = "window/showMessage"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "repo/.git").mkdir(parents=True)
    return tmp_path / "repo"


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[Client]:
    deadlines = Deadlines(watch=0.05)
    async with talking(
        folder, VSCODE, desk=ConfiguredDesk(None), deadlines=deadlines, options=options
    ) as client:
        client.notify("initialized", {})
        yield client


async def heard(client: Client, word: str) -> str:
    return (await client.told(SHOWN, lambda p: word in p["message"]))["message"]


def send(client: Client, **settings: Any) -> None:
    client.notify("workspace/didChangeConfiguration", {"settings": {"massgen": settings}})


async def test_settings_that_are_wrong_are_told_once_and_when_they_are_well(folder: Path) -> None:
    async with opened(folder, settings={"orchestrator": {"timout": 5}}) as client:
        said = await heard(client, "timout")
        assert "the editor's setting `massgen.orchestrator.timout`: unknown key 'timout'" in said
        assert "did you mean 'timeout'?" in said
        assert "Runs in this folder are refused" in said
        with pytest.raises(ServerError, match="timout"):
            await client.request("massgen/run", {"prompt": "x"})
        send(client, orchestrator={"timout": 5, "mode": "nonsense"})
        assert "massgen.orchestrator.mode" in await heard(client, "nonsense")
        send(client, orchestrator={"timeout": 5})
        await heard(client, "settings are well again")
        send(client, profile="nowhere", orchestra={"timeout": 5})
        assert "no profile 'nowhere'" in await heard(client, "massgen.profile")
        assert "did you mean 'orchestrator'?" in await heard(client, "no setting 'orchestra'")
        every = [p["message"] for p in client.all(SHOWN)]
        assert len(every) == len(set(every)) == 5


async def test_a_file_that_breaks_on_the_disk_is_told_once_and_when_it_is_well(
    folder: Path,
) -> None:
    file = folder / "massgen.yaml"
    file.write_text(GOOD)
    async with opened(folder) as client:
        await client.request("massgen/team", {})
        file.write_text(WRONG)
        said = await heard(client, "timeuot")
        assert f"{file}:2:3: in orchestrator: unknown key 'timeuot'" in said
        assert "nothing runs with half a configuration" in said
        with pytest.raises(ServerError, match="timeuot"):
            await client.request("massgen/run", {"prompt": "x"})
        file.write_text(GOOD + "# well\n")
        assert "the next run uses it" in await heard(client, "well again")
        (folder / "more.yaml").write_text("checks: 5\n")
        file.write_text("include: more.yaml\n")
        assert "more.yaml:1:1" in await heard(client, "more.yaml")
        (folder / "more.yaml").write_text("checks: []\n# it is included\n")
        await client.until(lambda _: len(client.all(SHOWN)) == 4)
        assert "well again" in client.all(SHOWN)[-1]["message"]


async def test_of_a_file_that_is_open_its_diagnostics_tell(folder: Path) -> None:
    file = folder / "massgen.yaml"
    file.write_text(GOOD)
    async with opened(folder) as client:
        client.open("massgen.yaml", GOOD, language="yaml")
        await client.request("massgen/team", {})
        client.change("massgen.yaml", 2, WRONG)
        file.write_text(WRONG)
        other = folder / ".massgen"
        other.mkdir()
        (other / "config.yaml").write_text("[")  # it does not count beside the first
        await client.told("textDocument/publishDiagnostics", lambda p: p["version"] == 2)
        send(client, orchestrator={"zzz": 5})
        await heard(client, "zzz")
        assert len(client.all(SHOWN)) == 1
