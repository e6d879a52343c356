"""`portmapper convert` converts lists to TOML without changing their meaning."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from running_program import PROGRAM

from portmapper.cli.main import main

CSV = (
    "address;port;protocol;duration;comment;internal_port;family;conflict;backend;enabled\n"
    '192.168/16;6000-6010;both;60;"say ""hi"" é";7000;;take;upnp;no\n'
    ";any;udp;;;53;ipv4;;;\n"
    ";8080;TCP;0;;;;;;yes\n"
)
TABLES = [
    {
        "port": "6000-6010",
        "protocol": "both",
        "address": "192.168/16",
        "duration": 60,
        "comment": 'say "hi" é',
        "internal_port": 7000,
        "conflict": "overwrite",
        "backend": "upnp",
        "enabled": False,
    },
    {"port": "any", "protocol": "UDP", "internal_port": 53, "family": "ipv4"},
    {"port": 8080, "protocol": "TCP", "duration": 0, "enabled": True},
]


def written(directory: Path, name: str, text: str) -> str:
    """Write a list and return its path."""
    (directory / name).write_text(text)
    return str(directory / name)


def test_fields_have_toml_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ranges and `both` stay one row, and omitted fields stay omitted."""
    assert main(["convert", written(tmp_path, "ports.csv", CSV), "--to", "toml"]) == 0
    output = capsys.readouterr().out
    assert tomllib.loads(output) == {"mapping": TABLES}
    assert output.count("[[mapping]]\n") == 3


@pytest.mark.parametrize("suffix", ["csv", "json", "toml"])
def test_the_result_means_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str) -> None:
    """`check` reads the same mappings from both, for lists of every format."""
    main(["convert", written(tmp_path, "ports.csv", CSV), "-o", str(tmp_path / "first.toml")])
    texts = {"csv": CSV, "json": json.dumps(TABLES), "toml": (tmp_path / "first.toml").read_text()}
    source, target = written(tmp_path, f"list.{suffix}", texts[suffix]), str(tmp_path / "last.toml")
    assert main(["convert", source, "--output", target]) == 0
    assert capsys.readouterr().out == ""
    assert mappings(capsys, target) == mappings(capsys, source) != []


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_output_that_is_not_utf8_loses_no_character(program: Any, tmp_path: Path, encoding: str) -> None:
    """Such as a pipe of Windows: TOML escapes what it may lack."""
    comment = "caf\u00e9 \u2192 \u6f22 \U0001f600"
    (tmp_path / "ports.csv").write_text(f"port;protocol;comment\n8080;TCP;{comment}\n", encoding="utf-8")
    command = [*PROGRAM, "convert", str(tmp_path / "ports.csv")]
    environment = {**program.environment, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, check=True, env=environment, capture_output=True, timeout=60)
    assert tomllib.loads(done.stdout.decode("ascii"))["mapping"][0]["comment"] == comment


def mappings(capsys: pytest.CaptureFixture[str], source: str) -> list[dict[str, Any]]:
    """Return the mappings that `check` reads, without their places."""
    assert main(["check", "--json", source]) == 0
    found = json.loads(capsys.readouterr().out)["mappings"]
    return [{**mapping, "source": "", "where": ""} for mapping in found]


def test_invalid_rows_are_reported_and_omitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 2, and the valid rows are converted."""
    source = written(tmp_path, "ports.csv", "port;protocol\n80.9;TCP\n8080;TCP\n1;2;3\n")
    assert main(["convert", source]) == 2
    captured = capsys.readouterr()
    assert tomllib.loads(captured.out) == {"mapping": [{"port": 8080, "protocol": "TCP"}]}
    first, second = captured.err.splitlines()
    assert "line 2, column port: '80.9'" in first
    assert "line 4: 3 fields, the header has 2" in second


def test_format_options_work_as_in_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Format and delimiter can be set, and an empty list stays empty."""
    source = written(tmp_path, "ports.txt", "port,protocol\n")
    assert main(["convert", "--format", "csv", "-d", ",", source]) == 0
    assert tomllib.loads(capsys.readouterr().out) == {"mapping": []}


@pytest.mark.parametrize("text", ["", "{", "no,header\n"], ids=["empty", "broken", "other"])
def test_an_invalid_list_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """The exit status is 2, and standard output is empty."""
    assert main(["convert", written(tmp_path, "ports.json", text)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "ports.json" in line


def test_an_unwritable_output_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message is one line."""
    source = written(tmp_path, "ports.csv", CSV)
    assert main(["convert", source, "-o", str(tmp_path / "none" / "ports.toml")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
