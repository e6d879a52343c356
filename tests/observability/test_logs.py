"""The log: where lines go, and that no text in them can control a terminal."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
from datetime import datetime
from pathlib import Path

import pytest

from portmapper.observability.log_file import LogFileHandler
from portmapper.observability.logs import (
    THIRD_PARTY_LOGGERS,
    default_handler,
    start_logging,
)

HOSTILE = "\x1b[2J\x07\r\n\u202egnp.exe\u2028\x00"


@pytest.fixture
def log() -> io.StringIO:
    """The stream that receives the log lines."""
    return io.StringIO()


@pytest.mark.parametrize("form", ["text", "json"])
def test_each_record_is_one_line(log: io.StringIO, form: str) -> None:
    """Whatever text it quotes."""
    start_logging(logging.StreamHandler(log), logging.INFO, form)
    logging.getLogger("portmapper.x").warning("the gateway says %s", HOSTILE)
    text = log.getvalue()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()


def test_json_lines_can_be_parsed(log: io.StringIO) -> None:
    """With level, logger, message, and a traceback on the same line."""
    start_logging(logging.StreamHandler(log), logging.INFO, "json")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("portmapper.x").exception("it broke")
    (line,) = log.getvalue().splitlines()
    document = json.loads(line)
    assert (document["level"], document["logger"], document["message"]) == (
        "error",
        "portmapper.x",
        "it broke",
    )
    assert "ValueError" in document["traceback"]


def test_a_traceback_in_text_is_escaped(log: io.StringIO) -> None:
    """Its lines remain, without control characters."""
    start_logging(logging.StreamHandler(log), logging.INFO, "text")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("portmapper.x").exception("it broke")
    assert "\x1b" not in log.getvalue()
    assert "\u202e" not in log.getvalue()


def test_records_below_the_level_are_omitted(log: io.StringIO) -> None:
    """At level INFO, a debug record writes nothing."""
    start_logging(logging.StreamHandler(log), logging.INFO, "text")
    logging.getLogger("portmapper.x").debug("below")
    assert log.getvalue() == ""


@pytest.mark.parametrize("name", THIRD_PARTY_LOGGERS)
def test_third_party_libraries_log_only_errors(log: io.StringIO, name: str) -> None:
    """portmapper reports their warnings in its own words."""
    start_logging(logging.StreamHandler(log), logging.DEBUG, "text")
    logging.getLogger(name).warning("a warning")
    logging.getLogger(name).error("an error")
    assert [line.split()[-1] for line in log.getvalue().splitlines()] == ["error"]


def test_a_detached_daemon_logs_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It uses the syslog socket, which systemd's journal also reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as system:
        system.bind(str(tmp_path / "log"))
        system.settimeout(60)
        monkeypatch.setattr("portmapper.observability.logs.SYSTEM_LOG", tmp_path / "log")
        start_logging(default_handler(detached=True), logging.INFO, "text")
        logging.getLogger("portmapper").info("opened")
        line = system.recv(4096).decode()
    assert "portmapper[" in line
    assert "opened" in line


def test_a_detached_daemon_without_a_system_log_drops_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container has no syslog socket."""
    monkeypatch.setattr("portmapper.observability.logs.SYSTEM_LOG", tmp_path / "none")
    start_logging(default_handler(detached=True), logging.INFO, "text")
    logging.getLogger("portmapper").info("opened")


def test_a_rotated_log_file_is_reopened(tmp_path: Path) -> None:
    """`logrotate` renames the file without a signal."""
    path = tmp_path / "portmapper.log"
    start_logging(LogFileHandler(path), logging.INFO, "text")
    logging.getLogger("portmapper").info("first")
    path.rename(tmp_path / "portmapper.log.1")
    logging.getLogger("portmapper").info("second")
    assert "second" in path.read_text()
    assert "second" not in (tmp_path / "portmapper.log.1").read_text()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_in_a_file_has_no_control_characters(tmp_path: Path, form: str) -> None:
    """Whatever name a gateway reports."""
    path = tmp_path / "portmapper.log"
    start_logging(LogFileHandler(path), logging.INFO, form)
    logging.getLogger("portmapper").warning("%s", "a router called \x1b[2J\r\nroot")
    (line,) = path.read_text().splitlines()
    assert "\x1b" not in line
    if form == "json":
        document = json.loads(line)
        assert (document["level"], document["logger"]) == ("warning", "portmapper")
        assert "\x1b" not in document["message"]
        assert "\n" not in document["message"]


def test_the_journal_gets_priorities_and_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd adds the time; every line of a traceback has the prefix."""
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        start_logging(logging.StreamHandler(journal), logging.DEBUG, "text")
        logger = logging.getLogger("portmapper.x")
        logger.info("opened")
        logger.warning("says %s", HOSTILE)
        try:
            raise ValueError
        except ValueError:
            logger.exception("it broke")
        logger.info("reading https://me:s3cret@example.org/?key=1")
        journal.seek(0)
        lines = journal.read().splitlines()
    assert lines[0] == "<6>opened"
    assert lines[1].startswith("<4>says ")
    assert lines[2] == "<3>it broke"
    assert all(line.startswith("<3>") for line in lines[2:-1])
    assert lines[-1] == "<6>reading https://***@example.org/?***"


def test_another_stream_than_the_journals_gets_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child inherits the variable although its standard error is a file; the time has its zone."""
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    with (tmp_path / "log").open("w+") as file:
        start_logging(logging.StreamHandler(file), logging.INFO, "text")
        logging.getLogger("portmapper.x").info("opened")
        file.seek(0)
        date, time, level, message = file.read().split()
    assert datetime.fromisoformat(f"{date} {time}").tzinfo is not None
    assert (level, message) == ("INFO", "opened")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_contains_no_secret_of_a_url(tmp_path: Path, form: str) -> None:
    """Neither in a message nor in a traceback."""
    path = tmp_path / "portmapper.log"
    start_logging(LogFileHandler(path), logging.INFO, form)
    url = "https://user:passw0rd@example.com/list?token=abcd1234"
    try:
        raise ValueError(f"no answer from {url}")
    except ValueError:
        logging.getLogger("portmapper").exception("cannot read %s", url)
    assert "example.com" in path.read_text()
    assert "passw0rd" not in path.read_text()
    assert "abcd1234" not in path.read_text()
