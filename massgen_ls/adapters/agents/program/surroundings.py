"""What an agent's program finds around it: an allow-listed environment and a home of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from massgen_ls.core.task import SeatId
from massgen_ls.ports import Place

PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")
"""The variables of ours that every agent sees."""
NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
"""What a program needs to reach its model from inside a company's network."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Our own side, of which an agent sees only what is allowed."""

    environ: Mapping[str, str]
    python: str
    """The interpreter whose folder leads the agents' PATH, so that tools which are installed
    beside us are found."""

    @property
    def path(self) -> str:
        """The PATH of every agent."""
        beside = os.path.dirname(self.python)
        return os.pathsep.join(part for part in (beside, self.environ.get("PATH", "")) if part)

    def find(self, program: str) -> str | None:
        """Where a program is; None when it is not there or cannot be executed. Reads the disk."""
        return shutil.which(program, path=self.path)

    def given(self, names: Iterable[str]) -> dict[str, str]:
        """Those of these variables that are set and not empty."""
        return {name: self.environ[name] for name in names if self.environ.get(name)}

    def env(self, place: Place, seat: SeatId, names: Iterable[str]) -> dict[str, str]:
        """The complete environment of a program at its place, with these variables of ours."""
        home = place.home
        passed = {n: self.environ[n] for n in (*PASSED_ON, *names) if n in self.environ}
        return passed | {
            "PATH": self.path,
            "TERM": "dumb",
            "HOME": home,
            "TMPDIR": os.path.join(home, "tmp"),
            "XDG_CONFIG_HOME": os.path.join(home, ".config"),
            "XDG_CACHE_HOME": os.path.join(home, ".cache"),
            "XDG_DATA_HOME": os.path.join(home, ".local", "share"),
            "XDG_STATE_HOME": os.path.join(home, ".local", "state"),
            "XDG_RUNTIME_DIR": os.path.join(home, "tmp"),
            # What its programs leave behind is not its work; see also `adapters.git.capture`.
            "PYTHONDONTWRITEBYTECODE": "1",
            "MASSGEN_RUN": place.run,
            "MASSGEN_SEAT": seat,
            "GIT_AUTHOR_NAME": "massgen agent",
            "GIT_AUTHOR_EMAIL": "agent@massgen.invalid",
            "GIT_COMMITTER_NAME": "massgen agent",
            "GIT_COMMITTER_EMAIL": "agent@massgen.invalid",
            "GIT_TERMINAL_PROMPT": "0",
        }


def make_home(place: Place) -> None:
    """Makes the folders that `Surroundings.env` names. Blocks: for a thread.

    Raises:
        OSError: They cannot be made.
    """
    os.makedirs(os.path.join(place.home, "tmp"), exist_ok=True)


def write_private(path: str, text: str) -> str:
    """Writes a file that only we and the agent may read, whatever is there now; gives its path.

    An earlier attempt may have left a link there that leads to a file of the user's. Blocks: for
    a thread.

    Raises:
        OSError: It cannot be written.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(text.encode("utf-8", "replace"))
    return path
