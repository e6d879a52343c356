"""`portmapper check` reports mappings and rejected rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from settings_text import mapping

from portmapper.cli.main import main


def test_mappings_of_the_settings_file_are_checked(program: Any, config: Path) -> None:
    """Valid ones are shown; an invalid one is rejected with its place and status 2."""
    config.write_text(mapping(8080) + mapping(70000))
    done = program.run("check", "--config", str(config), "--json")
    assert done.status == 2
    document = json.loads(done.output)
    assert [m["where"] for m in document["mappings"]] == ["mapping[0]"]
    assert [bad["where"] for bad in document["rejected"]] == ["mapping[1].port"]


def test_options_may_be_between_sources(ports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's intermixed parsing allows it."""
    other = ports.with_name("other.csv")
    other.write_text("port;protocol\n8081;UDP\n")
    assert main(["check", str(ports), "--format", "csv", str(other)]) == 0
    output = capsys.readouterr().out
    assert "8080/tcp → " in output
    assert "8081/udp" in output


def test_the_number_of_mappings_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The noun is singular for one mapping and plural for several."""
    for rows, expected in (("8080;TCP\n", "csv, 1 mapping\n"), ("8080-8081;TCP\n", "csv, 2 mappings\n")):
        (tmp_path / "ports.csv").write_text(f"port;protocol\n{rows}")
        assert main(["check", str(tmp_path / "ports.csv")]) == 0
        assert expected in capsys.readouterr().out


def test_rejected_rows_are_shown_with_their_place(ports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 2, and valid rows are shown too."""
    ports.write_text("port;protocol;comment;gateway\n8080;TCP;web;all\n70000;TCP;;\n")
    assert main(["check", str(ports)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  8080/tcp → this host:8080 at all gateways  web"
    assert lines[2].startswith("  rejected: line 3, column port: '70000'")


def test_the_lifetime_and_the_remote_hosts_are_shown(ports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`duration` is the earlier name in the document."""
    ports.write_text("port;protocol;lifetime;remote\n8080;tcp;2h;198.51.100.7\n")
    assert main(["check", str(ports)]) == 0
    assert "8080/tcp → this host:8080 from 198.51.100.7 only" in capsys.readouterr().out
    assert main(["check", "--json", str(ports)]) == 0
    (mapping,) = json.loads(capsys.readouterr().out)["mappings"]
    assert (mapping["lifetime"], mapping["duration"]) == (7200, 7200)


def test_a_comment_in_another_encoding_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row is valid, so the status is 0."""
    (tmp_path / "ports.csv").write_bytes(b"port;protocol;comment\n8080;tcp;B\xfcro\n")
    assert main(["check", str(tmp_path / "ports.csv")]) == 0
    assert "warning: line 2, column comment: not UTF-8, read as 'Büro'" in capsys.readouterr().out
    assert main(["check", "--json", str(tmp_path / "ports.csv")]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning["where"] == "line 2, column comment"


def test_a_url_is_shown_without_its_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """The user name is a secret, too."""
    assert main(["check", "http://user:s3cret@127.0.0.1:1/list?key=s3cret"]) == 2
    errors = capsys.readouterr().err
    assert "http://***@127.0.0.1:1/list?***" in errors
    assert "s3cret" not in errors
    assert "user" not in errors
