"""How one ACP agent is started and spoken to, whatever it is called."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from massgen_ls.adapters.agents.attempt.failing import Advice
from massgen_ls.adapters.agents.program.surroundings import Surroundings, make_home
from massgen_ls.core.task import Json, SeatId
from massgen_ls.ports import Brief, Command, Fence, Place

SHARED_SEAT = SeatId("shared")

BeforeLoad = Callable[[Mapping[str, str], str], None]
"""Given the environment of the program and the name of the conversation."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What tells one agent from another."""

    name: str
    """For people."""
    argv: tuple[str, ...]
    advice: Advice
    keys: tuple[str, ...] = ()
    """Names of variables of ours that it gets."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further variables, with their values; ``{home}`` stands for its home."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """Written into its home before the start, by path."""
    writable: tuple[str, ...] = ()
    """Folders that it may write beside its worktree and home: the user's own login."""
    home: str = ""
    """The user's own home, when it shall be its HOME; empty: its private one."""
    auth: tuple[str, ...] = ()
    """Ways to log in that are tried when it asks for a login, the best first."""
    meta: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """The ``_meta`` of a new session."""
    model: str = ""
    mode: str = ""
    options: Mapping[str, Json] = field(default_factory=dict[str, Json])
    no_tools: str = ""
    """Why it is not given our tools; empty: it is."""
    instructions: tuple[str, ...] = ()
    """Files of the repository that are told to it, because it does not read them by itself."""
    warning: str = ""
    """Said at the start of an attempt, for people."""
    share: bool = True
    """Whether seats may share a process."""
    denied: frozenset[str] = frozenset()
    """Kinds of action of which some are denied; see `core.permissions`."""
    settle: float = 0.0
    """Seconds of silence after which an agent that says a conversation is taken up has really told
    all of it; 0: it says so when it has."""
    before_load: BeforeLoad | None = None
    """What has to be done before a conversation can be taken up. Called in a thread."""

    @property
    def key(self) -> str:
        """What processes that seats share have in common, as one text. Holds no secret."""
        return json.dumps(
            [self.argv, self.keys, dict(self.env), dict(self.files), self.home], sort_keys=True
        )

    def command(self, around: Surroundings, brief: Brief, place: Place, cwd: str = "") -> Command:
        """Prepares the home and says how to start. Blocks: for a thread.

        Args:
            around: Our own side.
            brief: The order.
            place: Where the agent works.
            cwd: Where the program starts; empty: in the user's folder, as editors do it.

        Raises:
            OSError: The home cannot be written.
        """
        make_home(place)
        for value in self.env.values():
            if value.startswith("{home}/"):  # a folder of its own; some insist that it is there
                os.makedirs(value.replace("{home}", place.home), exist_ok=True)
        for name, body in self.files.items():
            _write(os.path.join(place.home, name), body)
        home = self.home or place.home
        fence = place.fence
        if fence is not None and self.writable:
            fence = replace(fence, writable=(*fence.writable, *self.writable))
        env = around.env(place, brief.seat, self.keys)
        if self.home:
            env |= {"HOME": home}
            env = {name: value for name, value in env.items() if not name.startswith("XDG_")}
        env |= {name: value.replace("{home}", place.home) for name, value in self.env.items()}
        return Command(
            self.argv, cwd=cwd or place.folder, env=env, keep_stdin=True, raw=True, keep=64 * 1024,
            fence=fence,
        )  # fmt: skip

    def shared_command(
        self, around: Surroundings, brief: Brief, place: Place, home: str
    ) -> Command:
        """As `command`, for a process of several seats with a home that is nobody's."""
        common = replace(place, home=home, fence=_unfenced(place.fence))
        # Each session has a folder; the process itself starts where no project is.
        return self.command(around, replace(brief, seat=SHARED_SEAT), common, home)


def opening(text: str) -> str:
    """A prompt that no agent takes for one of its own commands (``/clear``, ``$…``, ``!…``)."""
    return f"The task:\n\n{text}" if re.match(r"\s*[/$!#@]", text) else text


def _unfenced(fence: Fence | None) -> Fence | None:
    """A shared process is only made where no sandbox keeps the fence; one must not begin to."""
    return None if fence is None or not fence.required else fence


def _write(path: str, body: str) -> None:
    """Writes a file that nobody else can read, through no link that was left there."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(body)
