"""The `stdin` source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from portmapper.api.errors import SourceError
from portmapper.api.reading import SourceState
from portmapper_files import stdin
from portmapper_files.stdin import StdinSource


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Replace standard input with a pipe, and return its writing end."""
    reading, writing = os.pipe()
    monkeypatch.setattr(stdin, "_STDIN", reading)
    yield writing
    os.close(reading)


def type_in(writing: int, text: bytes) -> None:
    """Write to standard input and close it."""
    os.write(writing, text)
    os.close(writing)


@pytest.mark.parametrize(
    ("chosen", "typed_text", "state"),
    [
        ("csv", b"", SourceState.OK),
        ("auto", b"", SourceState.OK),
        ("json", b"", SourceState.FAILED),
        ("json", b"[]", SourceState.OK),
    ],
)
async def test_the_inputs_of_upnp_daemon(
    reader: Any, typed: int, chosen: str, typed_text: bytes, state: SourceState
) -> None:
    """Empty CSV and an empty array are valid, empty JSON is not."""
    type_in(typed, typed_text)
    assert (await reader("-", chosen).read()).state is state


async def test_standard_input_is_read_once_and_kept(reader: Any, typed: int) -> None:
    """A second read returns the same document."""
    type_in(typed, b"port;protocol\n80;TCP\n")
    source = reader("-")
    assert await source.read() is await source.read()
    assert len(source.reading.mappings) == 1


async def test_closed_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon has no standard input."""
    monkeypatch.setattr(stdin, "_STDIN", 9999)
    with pytest.raises(SourceError, match="cannot read standard input"):
        await StdinSource("-").fetch()
