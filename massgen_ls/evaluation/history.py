"""Cases out of a repository's past: commits that change code and tests, and versions of them.

For each fix, in an order that the seed decides:

1. The base is its parent, the check is the project's own, with the tests as they are there.
2. Its tests are laid over the base and over the fix. Those that pass with the fix, twice, are what
   a version must pass to count as *resolved*; at least one of them must fail on the base.
3. Versions are made of it (`mutations`) and measured by these tests, not by decree.
4. Candidates are drawn: right ones and wrong ones, some of them copies of each other in another
   layout, some with tests of their own (`owntests`).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from massgen_ls.core.crosstests import is_test
from massgen_ls.core.task import CheckSpec
from massgen_ls.evaluation import mutations
from massgen_ls.evaluation.cases import INSTANCE
from massgen_ls.evaluation.drawing import Draft, drafts
from massgen_ls.evaluation.measuring import Fix, Ground, Measured, judged, of_files
from massgen_ls.evaluation.repositories import Repositories
from massgen_ls.evaluation.trying import Tried, Trying
from massgen_ls.ports import Checker

NEWEST = 3000
"""Commits that are looked at."""
POOL = 200
"""Fixes, the newest, among which the seed decides."""
_MOST_VERSIONS = 14
_ENOUGH = 3
"""Wrong versions that fail no test of the base, after which no more are looked for."""
_MOST_LINES = 150
_SLOWEST = 120.0
"""Seconds that a project's tests may take."""


class SkippedError(Exception):
    """No case comes of a fix; the message says why."""


class History:
    """Builds cases of one repository.

    Args:
        repositories: Reads it.
        checker: Runs its tests.
        repo: It.
        check: Its tests; None: what ``detect`` finds there.
        detect: The tests of a checkout, by its files; None when there are none.
        seed: Decides about everything that is drawn.
        top: A folder of ours.
    """

    def __init__(
        self,
        repositories: Repositories,
        checker: Checker,
        repo: Path,
        check: CheckSpec | None,
        detect: Callable[[Path], CheckSpec | None],
        seed: int,
        top: Path,
    ) -> None:
        self._repositories = repositories
        self._checker = checker
        self._repo = repo
        self._check = check
        self._detect = detect
        self._seed = seed
        self._top = top

    async def fixes(self, revision: str = "HEAD") -> list[Fix]:
        """The newest commits of a revision that may be fixes, in the order of the seed.

        Raises:
            WorkspaceError: There is no such repository, or it has no commit.
        """
        head = await self._repositories.commit(self._repo, revision)
        listed = await self._repositories.run(
            self._repo,
            *("log", "--no-merges", "--no-renames", "--numstat", "--format=%x01%H %P"),
            *(f"--max-count={NEWEST}", head),
        )
        found = [fix for fix in map(_fix, os.fsdecode(listed).split("\x01")) if fix][:POOL]
        random.Random(f"{self._seed}").shuffle(found)  # noqa: S311 - to be had again by the seed
        return found

    async def build(self, fix: Fix, into: Path) -> Path:
        """Makes a case of a fix.

        Args:
            fix: It.
            into: The folder of cases.

        Returns:
            The case's folder.

        Raises:
            SkippedError: It gives none.
            MassgenError: git fails.
        """
        place = self._top / fix.commit
        chance = random.Random(f"{self._seed} {fix.commit}")  # noqa: S311 - likewise
        try:
            await self._repositories.checkout(self._repo, fix.parent, place / "work")
            trying = Trying(self._repositories, self._checker, place / "work", place / "home")
            ground = await self._ground(fix, trying)
            measured = await self._measured(ground, trying, chance)
            drawn = await drafts(ground, measured, trying, chance)
            folder = into / f"{self._repo.name.removesuffix('.git') or 'case'}-{fix.commit[:10]}"
            await self._write(folder, ground, drawn, trying)
            return folder
        finally:
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _ground(self, fix: Fix, trying: Trying) -> Ground:
        check = self._check or await asyncio.to_thread(self._detect, trying.folder)
        if check is None:
            raise SkippedError("no tests were found in it; name them with --check")
        check = replace(check, timeout=min(check.timeout, _SLOWEST))
        code = await self._texts(fix.commit, fix.code)
        tests = await self._texts(fix.commit, fix.tests)
        base = await self._texts(fix.parent, fix.code)
        old_tests = await self._texts(fix.parent, fix.tests)
        own = await trying.run(check)
        if own.result.outcome not in ("passed", "failed") or own.result.passed is None:
            raise SkippedError(f"its tests do not run on the base: {_last(own)}")
        first, second = [await trying.run(check, code, tests) for _ in range(2)]
        needed = first.passed & second.passed
        telling = needed - (await trying.run(check, tests)).passed
        if not of_files(tests, needed):
            raise SkippedError(f"its tests do not pass with it here: {_last(first)}")
        if not telling:
            raise SkippedError("none of its tests fails on the base and passes with the fix")
        message = await self._repositories.run(
            self._repo, "log", "-1", "--format=%B", fix.commit, "--"
        )
        prompt = message.decode("utf-8", "replace").strip()
        return Ground(
            fix, prompt, check, base, code, tests, old_tests, needed, telling, needed & own.passed
        )

    async def _texts(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        """Files of a commit; those that it does not have are left out."""
        found: dict[str, str] = {}
        for path in paths:
            shown = await self._repositories.attempt(self._repo, "show", f"{commit}:{path}")
            if shown.exit_code:
                continue
            try:
                found[path] = shown.stdout.decode()
            except UnicodeDecodeError:
                raise SkippedError(f"{path} is not UTF-8") from None
            if "\r" in found[path] or "\f" in found[path]:
                raise SkippedError(f"{path} has other line ends than \\n")
        return found

    async def _measured(
        self, ground: Ground, trying: Trying, chance: random.Random
    ) -> list[Measured]:
        """Versions of the fix with the word of its tests, until there are enough wrong ones."""
        found: list[Measured] = []
        wrong = 0
        for version in mutations.versions(ground.base, ground.code, chance, _MOST_VERSIONS):
            files = {**ground.base, **version.files}
            found.append(await judged(ground, version, files, trying))
            wrong += not found[-1].resolved and not found[-1].careless
            if wrong >= _ENOUGH:
                break
        if all(version.resolved for version in found):
            raise SkippedError("its tests notice no slip in it")
        return found

    async def _write(
        self, folder: Path, ground: Ground, drawn: Sequence[Draft], trying: Trying
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        listed: list[dict[str, object]] = []
        for number, draft in enumerate(drawn, 1):
            name = f"agent-{number}"
            patch = await trying.diff(draft.code, draft.tests)
            await asyncio.to_thread((folder / f"{name}.patch").write_bytes, patch)
            listed.append(
                {
                    "name": name,
                    "patch": f"{name}.patch",
                    "resolved": draft.resolved,
                    "how": draft.how,
                }
            )
        check = ground.check
        body = {
            "id": folder.name,
            "repo": str(self._repo),
            "base_commit": ground.fix.parent,
            "prompt": ground.prompt,
            "checks": [{"name": check.name, "argv": [*check.argv], "timeout": check.timeout}],
            "candidates": listed,
            "source": {"fix_commit": ground.fix.commit, "seed": self._seed},
        }
        text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
        await asyncio.to_thread((folder / INSTANCE).write_text, text)


def _fix(record: str) -> Fix | None:
    """A commit out of the log, if it may be a fix."""
    head, _, rest = record.partition("\n")
    commit, *parents = head.split()[:3] or [""]
    if len(parents) != 1:
        return None
    code: list[str] = []
    tests: list[str] = []
    changed = 0
    for row in rest.strip("\n").split("\n"):
        added, _, tail = row.partition("\t")
        removed, _, path = tail.partition("\t")
        if not path.endswith(".py"):
            continue
        if path.startswith('"') or not (added + removed).isdigit():
            return None
        if is_test(path):
            tests.append(path)
        elif not _beside_code(path):
            code.append(path)
            changed += int(added) + int(removed)
    good = code and tests and len(code) <= 5 and 2 <= changed <= _MOST_LINES
    return Fix(commit, parents[0], tuple(code), tuple(tests)) if good else None


def _beside_code(path: str) -> bool:
    """Whether a Python file is neither product nor test."""
    parts = path.split("/")
    return bool({"docs", "doc", "examples", "tests", "test", "bench"} & {*parts[:-1]}) or (
        parts[-1] in ("setup.py", "conftest.py", "conf.py", "noxfile.py")
    )


def _last(tried: Tried) -> str:
    rows: Iterator[str] = (row for row in tried.result.output.split("\n")[::-1] if row.strip())
    return next(rows, tried.result.outcome)
