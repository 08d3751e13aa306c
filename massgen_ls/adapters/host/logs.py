"""The log: where it goes, how much of it, in which form. Nothing secret gets there.

Lines are written by a thread of their own: an editor that does not read our stderr, or a full
disk, holds nobody up. What does not fit into the queue is counted and left out.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from massgen_ls.core.errors import ConfigError

LEVELS = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
FORMS = ("text", "json")
_OURS = "massgen_ls"
_ROOMS = ("adapters", "cli", "config", "core", "engine", "lsp", "wiring")
_QUEUE = 2_000
"""Lines that wait to be written."""
_FILE = 5 * 1024 * 1024
"""Bytes of one file; two older ones are kept beside it."""
_LEAVE = 1.0
"""Seconds that the end of the program waits for the last lines."""


@dataclass(frozen=True, slots=True)
class LogRules:
    """What is logged."""

    level: int = logging.WARNING
    """Of our own; libraries are heard from warnings on."""
    rooms: Mapping[str, int] = field(default_factory=dict[str, int])
    """Other levels, by the logger's name."""
    file: Path | None = None
    """None: standard error."""
    form: str = "text"


def log_rules(
    environ: Mapping[str, str],
    level: str | None = None,
    file: str | None = None,
    form: str | None = None,
) -> LogRules:
    """The rules out of what was typed, else of the environment.

    Args:
        environ: ``MASSGEN_LOG`` (``debug``, or ``info,engine=debug``), ``MASSGEN_LOG_FILE``,
            ``MASSGEN_LOG_FORMAT``.
        level: The same as ``MASSGEN_LOG``.
        file: The same as ``MASSGEN_LOG_FILE``.
        form: The same as ``MASSGEN_LOG_FORMAT``.

    Raises:
        ConfigError: A word is none of those that there are.
    """
    source = "--log-level" if level else "MASSGEN_LOG"
    general, rooms = logging.WARNING, dict[str, int]()
    for part in (level or environ.get("MASSGEN_LOG") or "").split(","):
        room, given, word = part.strip().rpartition("=")
        if not word:
            continue
        if word.lower() not in LEVELS:
            raise ConfigError(
                f"{source}: there is no level {word!r}",
                f"One of {', '.join(LEVELS)}; for single rooms e.g. `info,engine=debug`",
            )
        if given:
            ours = room.split(".")[0] in _ROOMS
            rooms[f"{_OURS}.{room}" if ours else room] = LEVELS[word.lower()]
        else:
            general = LEVELS[word.lower()]
    form = form or environ.get("MASSGEN_LOG_FORMAT") or "text"
    if form not in FORMS:
        raise ConfigError(f"There is no log format {form!r}", f"One of {', '.join(FORMS)}")
    path = file or environ.get("MASSGEN_LOG_FILE")
    # (Unlike `Path.expanduser` this takes the home of somebody who is not there.)
    whole = Path(os.path.abspath(os.path.expanduser(path))) if path else None
    return LogRules(general, rooms, whole, form)


@contextmanager
def open_log(
    rules: LogRules, hide: Callable[[str], str], stderr: TextIO | None = None
) -> Generator[None]:
    """Everything that is logged goes where the rules say, for as long as the context lasts.

    Args:
        rules: What, where to and how.
        hide: Takes secrets out of a line.
        stderr: Instead of the process's own.

    Raises:
        ConfigError: The file cannot be written.
    """
    target = _open(rules, stderr or sys.stderr)
    writer = _Writer(target)
    handler = _Queueing(writer)
    handler.setFormatter(_Form(hide, plain=rules.form == "text"))
    root = logging.getLogger()
    levels = {
        root: max(rules.level, logging.WARNING),
        logging.getLogger(_OURS): rules.level,
        # It logs every client that goes away as an error; what matters of it is ours to say.
        logging.getLogger("pygls"): logging.CRITICAL,
        **{logging.getLogger(name): level for name, level in rules.rooms.items()},
    }
    before = {logger: logger.level for logger in levels}
    for logger, level in levels.items():
        logger.setLevel(level)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)
        writer.close()


def _open(rules: LogRules, stderr: TextIO) -> _Stream | _File:
    if rules.file is None:
        return _Stream(stderr)
    try:
        rules.file.parent.mkdir(parents=True, exist_ok=True)
        return _File(rules.file, maxBytes=_FILE, backupCount=2, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The log file {rules.file} cannot be written: {error.strerror}",
            "Name another one with --log-file or MASSGEN_LOG_FILE",
        ) from error


class _Form(logging.Formatter):
    """A record as one line, or one JSON object, without secrets."""

    def __init__(self, hide: Callable[[str], str], *, plain: bool) -> None:
        super().__init__()
        self._hide = hide
        self._plain = plain

    def format(self, record: logging.LogRecord) -> str:
        """The whole of it: also what an exception says may hold a secret."""
        told = record.getMessage()
        trouble = self.formatException(record.exc_info) if record.exc_info else ""
        when = datetime.fromtimestamp(record.created, UTC)
        room = record.name.removeprefix(f"{_OURS}.")
        level = record.levelname.lower()
        if self._plain:
            at = when.strftime("%H:%M:%S.") + f"{when.microsecond // 1000:03}"
            line = f"{at} {level:7} {room}: {told}"
            return self._hide(f"{line}\n{trouble}" if trouble else line)
        entry = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": level,
            "logger": room,
            "message": self._hide(told),
            "process": record.process,
        }
        if trouble:
            entry["exception"] = self._hide(trouble)
        return json.dumps(entry, ensure_ascii=False)


class _Queueing(logging.Handler):
    def __init__(self, writer: _Writer) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Formats at once, as what was logged may change; writes later."""
        try:
            line = self.format(record)
        except (TypeError, ValueError, KeyError):  # arguments that do not fit: a bug of ours
            line = f"{record.levelname} {record.name}: {record.msg!r} cannot be put together"
        self._writer.put(line)


class _Stream(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Nobody reads, or the disk is full: there is no better place to say so."""


class _File(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        """Nobody else has to read what a program says about somebody's work: nor later files."""
        handle = os.open(self.baseFilename, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        return TextIOWrapper(os.fdopen(handle, "ab"), encoding=self.encoding or "utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """As above."""


class _Writer:
    """The thread that writes."""

    def __init__(self, target: _Stream | _File) -> None:
        self._target = target
        self._lines: queue.Queue[str | None] = queue.Queue(_QUEUE)
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="massgen-log", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Never waits."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Writes what is left, as far as whoever reads it goes on reading."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=_LEAVE)
        self._thread.join(_LEAVE)
        if not self._thread.is_alive() and isinstance(self._target, _File):
            self._target.close()

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._lost:
                lost, self._lost = self._lost, 0
                line = f"(left out here: {lost} lines)\n{line}"
            self._target.handle(logging.makeLogRecord({"msg": line}))
