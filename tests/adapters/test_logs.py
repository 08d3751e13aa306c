"""What is logged, where and how; and that no key is in it."""

from __future__ import annotations

import io
import json
import logging
import os
import stat
import threading
from pathlib import Path

import pytest

from massgen_ls.adapters.host.logs import LogRules, log_rules, open_log
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.secrets import Hidden

KEY = "planted-value-123"
hide = Hidden({KEY: "[SOME_KEY]"})
log = logging.getLogger("massgen_ls.engine.somewhere")


def test_flags_come_before_the_environment() -> None:
    environ = {"MASSGEN_LOG": "info", "MASSGEN_LOG_FORMAT": "json", "MASSGEN_LOG_FILE": "/a/b"}
    assert log_rules({}) == LogRules(logging.WARNING)
    assert log_rules(environ) == LogRules(logging.INFO, {}, Path("/a/b"), "json")
    assert log_rules(environ, "error,engine=debug,asyncio=info", "/c", "text") == LogRules(
        logging.ERROR,
        {"massgen_ls.engine": logging.DEBUG, "asyncio": logging.INFO},
        Path("/c"),
        "text",
    )


@pytest.mark.parametrize(
    ("level", "environ", "words"),
    [
        ("loud", {}, "--log-level: there is no level 'loud'"),
        (None, {"MASSGEN_LOG": "info,lsp=all"}, "MASSGEN_LOG: there is no level 'all'"),
        (None, {"MASSGEN_LOG_FORMAT": "xml"}, "There is no log format 'xml'"),
    ],
)
def test_words_that_make_no_sense_are_refused(
    level: str | None, environ: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        log_rules(environ, level)
    assert caught.value.what.startswith(words)
    assert "One of" in caught.value.hint


def fail() -> None:
    try:
        raise ValueError(f"the address holds {KEY}")
    except ValueError:
        log.exception("it failed with %s", KEY)


def test_a_line_says_when_where_and_what_without_keys() -> None:
    told = io.StringIO()
    with open_log(LogRules(logging.INFO), hide, told):
        log.info("hello %s", {"key": KEY})
        log.debug("not this")
        logging.getLogger("somebody.else").info("nor this")
        fail()
    first, second, *more = told.getvalue().splitlines()
    assert first.split(" ", 1)[1] == "info    engine.somewhere: hello {'key': '[SOME_KEY]'}"
    assert second.split(" ", 1)[1] == "error   engine.somewhere: it failed with [SOME_KEY]"
    assert more[-1] == "ValueError: the address holds [SOME_KEY]"


def test_json_is_one_object_a_line_in_a_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "massgen.log"
    with open_log(LogRules(logging.DEBUG, file=file, form="json"), hide):
        log.debug("two\nlines of %s", KEY)
        fail()
    first, second = map(json.loads, file.read_text("utf-8").splitlines())
    assert {**first, "time": ""} == {
        "time": "",
        "level": "debug",
        "logger": "engine.somewhere",
        "message": "two\nlines of [SOME_KEY]",
        "process": os.getpid(),
    }
    assert second["exception"].endswith("ValueError: the address holds [SOME_KEY]")
    assert KEY not in file.read_text("utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_levels_are_as_before_afterwards() -> None:
    loggers = [logging.getLogger(name) for name in ("", "massgen_ls", "massgen_ls.lsp", "pygls")]
    before = [logger.level for logger in loggers]
    with open_log(LogRules(logging.DEBUG, {"massgen_ls.lsp": logging.ERROR}), hide, io.StringIO()):
        assert [logger.level for logger in loggers] != before
    assert [logger.level for logger in loggers] == before


def test_a_file_that_cannot_be_written_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match="cannot be written"),
        open_log(LogRules(file=tmp_path / "file" / "log"), hide),
    ):
        pass


class Slow(io.StringIO):
    """Somebody who does not read until they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.Event()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.first.set()
        self.go_on.wait(30)
        return super().write(text)


def test_nobody_waits_for_a_reader_and_what_is_left_out_is_counted() -> None:
    slow = Slow()
    with open_log(LogRules(logging.INFO), hide, slow):
        log.info("the first")
        assert slow.first.wait(30)
        for number in range(5_000):
            log.info("number %d", number)
        slow.go_on.set()
    lines = slow.getvalue().splitlines()
    (left_out,) = [line for line in lines if line.startswith("(left out here: ")]
    count = int(left_out.split()[3])
    assert count == 3_000
    assert sum("number" in line for line in lines) == 2_000


def test_arguments_that_do_not_fit_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own one would raise
    told = io.StringIO()
    with open_log(LogRules(), hide, told):
        log.warning("%d of %d", "one")
    assert "'%d of %d' cannot be put together" in told.getvalue()


def test_later_files_are_nobody_else_s_either(tmp_path: Path) -> None:
    file = tmp_path / "massgen.log"
    before = os.umask(0o022)
    try:
        with open_log(LogRules(logging.INFO, file=file), hide):
            for _ in range(120):
                log.info("x" * 60_000)
    finally:
        os.umask(before)
    kept = sorted(each.name for each in tmp_path.iterdir())
    assert kept == ["massgen.log", "massgen.log.1"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}


def test_the_home_of_somebody_who_is_not_there_is_a_folder_like_others() -> None:
    assert log_rules({"MASSGEN_LOG_FILE": "~nosuch/x"}).file == Path.cwd() / "~nosuch/x"
