"""The registered sources and formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portmapper_files.file import FileSource
from portmapper_files.stdin import StdinSource


def test_locations_are_claimed() -> None:
    """`-` is standard input, `./-` a file with that name; URLs are not claimed."""
    assert StdinSource.claims("-")
    assert not StdinSource.claims("./-")
    assert FileSource.claims("./-")
    assert not FileSource.claims("ftp://host/ports.csv")
    assert not FileSource.claims("")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ports.csv", "port;protocol\n80;TCP\n"),
        ("ports", "port;protocol\n80;TCP\n"),
        ("ports.JSON", '[{"port": 80, "protocol": "TCP"}]'),
        ("ports.toml", '[[mapping]]\nport = 80\nprotocol = "TCP"\n'),
    ],
)
async def test_the_suffix_selects_the_format(reader: Any, tmp_path: Path, name: str, content: str) -> None:
    """The same mapping in each format; a file without a suffix is CSV."""
    (tmp_path / name).write_text(content)
    reading = await reader(tmp_path / name).read()
    assert [(m.port, m.protocol) for m in reading.mappings] == [(80, "TCP")]
