"""The table `[probe]`."""

from __future__ import annotations

from pathlib import Path

import pytest

from portmapper.api.errors import SettingError
from portmapper.config.loader import read_settings


def settings_file(directory: Path, text: str) -> Path:
    """Write a settings file."""
    path = directory / "portmapper.toml"
    path.write_text(text)
    return path


def test_the_interval_is_a_duration(tmp_path: Path) -> None:
    """Without the table, nothing is checked."""
    text = '[probe]\nurl = "http://198.51.100.7:9700/"\ninterval = "1h"\n'
    probe = read_settings(settings_file(tmp_path, text)).settings.probe
    assert (probe.url, probe.interval) == ("http://198.51.100.7:9700", 3600)
    assert read_settings(settings_file(tmp_path, "")).settings.probe.url == ""


@pytest.mark.parametrize(
    "line",
    [
        'interval = "29s"',
        "interval = 1",
        'url = "198.51.100.7:9700"',
        'url = "http://a:b@198.51.100.7"',
        "uri = 1",
    ],
)
def test_an_invalid_key_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    """A probe server may be asked every 30 seconds."""
    with pytest.raises(SettingError, match=r"portmapper.toml:2: probe\."):
        read_settings(settings_file(tmp_path, f"[probe]\n{line}\n"))
