"""Where log lines go, and what they may hold."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from portmapper.observability.logs import default_handler, file_handler, start_logging

HOSTILE = "a router called \x1b[2J\r\nroot"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_detached_daemon_logs_to_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through syslog's socket, which the journal listens at too."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as system:
        system.bind(str(tmp_path / "log"))
        system.settimeout(20)
        monkeypatch.setattr("portmapper.observability.logs.SYSTEM_LOG", tmp_path / "log")
        start_logging(default_handler(detached=True), logging.INFO, "text")
        logging.getLogger("portmapper").info("opened")
        line = system.recv(4096).decode()
    assert "portmapper[" in line
    assert "opened" in line


def test_without_a_system_log_nothing_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container has none."""
    monkeypatch.setattr("portmapper.observability.logs.SYSTEM_LOG", tmp_path / "none")
    start_logging(default_handler(detached=True), logging.INFO, "text")
    logging.getLogger("portmapper").info("opened")


def test_a_rotated_file_is_opened_again(tmp_path: Path) -> None:
    """`logrotate` moves it away and tells nobody."""
    log = tmp_path / "portmapper.log"
    start_logging(file_handler(log), logging.INFO, "text")
    logging.getLogger("portmapper").info("first")
    log.rename(tmp_path / "portmapper.log.1")
    logging.getLogger("portmapper").info("second")
    assert "second" in log.read_text()
    assert "second" not in (tmp_path / "portmapper.log.1").read_text()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_one_line_that_no_terminal_obeys(tmp_path: Path, form: str) -> None:
    """Whatever a gateway calls itself."""
    log = tmp_path / "portmapper.log"
    start_logging(file_handler(log), logging.INFO, form)
    logging.getLogger("portmapper").warning("%s", HOSTILE)
    (line,) = log.read_text().splitlines()
    assert "\x1b" not in line
    if form == "json":
        document = json.loads(line)
        assert (document["level"], document["logger"]) == ("warning", "portmapper")
        assert "\x1b" not in document["message"]
        assert "\n" not in document["message"]
