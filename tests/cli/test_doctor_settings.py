"""`doctor --report` writes a report although the settings are invalid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("text", ["nonsense = 1\n", 'password = "unfinished\n'])
def test_doctor_writes_a_report_of_invalid_settings(program: Any, tmp_path: Path, text: str) -> None:
    """The file has the reason; the command prints it too, and exits with 2."""
    (tmp_path / "portmapper.toml").write_text(text)
    finished = program.run("doctor", "--config", "portmapper.toml", "--report", "report.txt")
    assert finished.status == 2
    assert "portmapper.toml" in finished.errors
    report = (tmp_path / "report.txt").read_text()
    assert "portmapper.toml" in report.partition("## Doctor")[2].partition("## Status")[0]


def test_doctor_writes_a_report_without_the_settings_file(program: Any, tmp_path: Path) -> None:
    """The report says that the file is missing."""
    finished = program.run("doctor", "--config", "missing.toml", "--report", "report.txt")
    assert finished.status == 2
    assert "No such file" in (tmp_path / "report.txt").read_text()
