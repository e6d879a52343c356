"""Reading a descriptor up to the maximum size of a document."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from portmapper.api import MAX_DOCUMENT, SourceError
from portmapper_files.bounded_read import read_all


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_all(descriptor)
    finally:
        os.close(descriptor)


def test_everything_is_read(tmp_path: Path) -> None:
    """A document of exactly the maximum size is accepted, and so is an empty one."""
    path = tmp_path / "ports.csv"
    path.write_bytes(b"")
    assert _read(path) == b""
    os.truncate(path, MAX_DOCUMENT)
    assert len(_read(path)) == MAX_DOCUMENT


def test_a_larger_document_is_rejected(tmp_path: Path) -> None:
    """One byte more is too much."""
    path = tmp_path / "ports.csv"
    path.write_bytes(b"")
    os.truncate(path, MAX_DOCUMENT + 1)
    with pytest.raises(SourceError, match="larger than 16 MiB"):
        _read(path)


def test_parts_of_a_pipe_are_joined() -> None:
    """A pipe returns its content in several reads."""
    reading, writing = os.pipe()
    os.write(writing, b"port;")
    os.write(writing, b"protocol\n")
    os.close(writing)
    assert read_all(reading) == b"port;protocol\n"
    os.close(reading)
