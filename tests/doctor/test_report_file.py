"""`doctor --report` writes a report that helps, and that contains nothing private."""

from __future__ import annotations

import os
import socket
import stat
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from portmapper.api.errors import PortmapperError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Protocol
from portmapper.doctor.report_file import ReportInput, report_text, write_report
from portmapper.pluginhost.manager import PluginReport
from portmapper.store.leases import FILE_NAME, Store

SETTINGS = """
sources = ["https://alice:sw0rdfish@lists.example.org/t/Zx81Qm44Lr0p?key=k3y"]
gateway = ["8.8.4.4", "nas.example.net"]
[[source]]
location = "https://other.example.org/list.csv"
headers_file = "headers.txt"
[[mapping]]
port = 8080
protocol = "tcp"
comment = "Alice's camera"
[[hook]]
command = ["/usr/local/bin/tell-bob", "--chat", "471100"]
[plugin.routeros]
host = "mainrouter"
user = "operator7"
password = "p4ssphrase"
"""

LOG = """\
2026-11-28 12:00:00 INFO 8080/tcp → 192.168.88.10:8080 for Alice's camera on 8.8.4.4
2026-11-28 12:00:01 ERROR mainrouter refuses p4ssphrase from aa:bb:cc:0d:ee:ff
2026-11-28 12:00:02 ERROR header h34d3r was rejected by 2001:db8::77
"""

PRIVATE = (
    *("alice", "sw0rdfish", "lists.example.org", "Zx81Qm44Lr0p", "k3y", "8.8.4.4", "nas.example.net"),
    *("other.example.org", "h34d3r", "camera", "tell-bob", "471100", "mainrouter", "operator7", "p4ssphrase"),
    *("192.168.88.10", "aa:bb:cc:0d:ee:ff", "2001:db8::77", "envs3cret"),
)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReportInput:
    """A host with private facts in each place that a report is made of."""
    monkeypatch.setenv("PORTMAPPER_PLUGIN_MQTT_PASSWORD", "envs3cret")
    settings, log = tmp_path / "portmapper.toml", tmp_path / "portmapper.log"
    settings.write_text(SETTINGS)
    (tmp_path / "headers.txt").write_text("Authorization: Bearer h34d3r\n")
    log.write_text(LOG)
    _record(tmp_path)
    words = ["doctor", "https://bob:sw0rdfish@lists.example.org/a.csv"]
    plugins = [PluginReport("mqtt", "1.0", "portmapper-mqtt", "failed", (), "no envs3cret at 8.8.4.4")]
    return ReportInput(["error 8.8.4.4 does not answer"], words, tmp_path, settings, log, plugins)


def _record(directory: Path) -> None:
    store = Store(directory / FILE_NAME)
    event = Event(
        datetime.now(UTC),
        EventKind.OPENED,
        "for Alice's camera by p4ssphrase",
        Protocol.TCP,
        internal_address=ip_address("192.168.88.10"),
        internal_port=8080,
        external_port=8080,
        backend="upnp",
        gateway="8.8.4.4",
    )
    store.record(event)
    store.close()


@pytest.mark.parametrize("private", [*PRIVATE, socket.gethostname()])
def test_a_report_contains_nothing_private(given: ReportInput, private: str) -> None:
    """Settings, lists, command line, history, log, plugins and findings are searched for each value."""
    assert private.lower() not in report_text(given).lower()


@pytest.mark.parametrize(
    "useful",
    ["portmapper 0.", "CPython", "aiohttp 3", "mqtt 1.0 (portmapper-mqtt) failed", '"port": 8080', "opened"],
)
def test_a_report_helps(given: ReportInput, useful: str) -> None:
    """It has versions, plugins, settings and history."""
    assert useful in report_text(given)


@pytest.mark.parametrize(
    "title",
    [
        "Versions",
        "Plugins",
        "Command",
        "Settings",
        "Environment",
        "Network",
        "Doctor",
        "Status",
        "History",
        "Log",
    ],
)
def test_a_report_of_an_empty_host_has_each_part(title: str, tmp_path: Path) -> None:
    """Without settings, store, daemon and log, each part says so."""
    given = ReportInput([], ["doctor"], tmp_path / "missing", None, None, [])
    assert f"## {title}\n" in report_text(given)


def test_a_damaged_part_is_replaced_by_the_reason(given: ReportInput, tmp_path: Path) -> None:
    """Settings that are not TOML, and a log that is a directory, do not prevent the report."""
    (tmp_path / "portmapper.toml").write_text("not toml p4ssphrase")
    (tmp_path / "portmapper.log").unlink()
    (tmp_path / "portmapper.log").mkdir()
    text = report_text(given)
    assert "cannot read the settings" in text
    assert "p4ssphrase" not in text.partition("## Environment")[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_log_that_is_a_pipe_does_not_block(given: ReportInput, tmp_path: Path) -> None:
    """Opening a FIFO would wait for a writer."""
    (tmp_path / "portmapper.log").unlink()
    os.mkfifo(tmp_path / "portmapper.log")
    assert "not a regular file" in report_text(given)


def test_the_file_is_readable_by_its_owner_only(given: ReportInput, tmp_path: Path) -> None:
    """It replaces an older report."""
    path = tmp_path / "report.txt"
    path.write_text("old")
    write_report(path, given)
    assert path.read_text().startswith("portmapper report of ")
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_report_that_cannot_be_written_is_an_error(given: ReportInput, tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(PortmapperError, match=r"cannot write the report .*report\.txt: No such file"):
        write_report(tmp_path / "missing" / "report.txt", given)
