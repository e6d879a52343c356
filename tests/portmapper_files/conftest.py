"""A reader for locations with the sources and formats of this plugin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from portmapper.sources.open_source import open_source
from portmapper.sources.reader import SourceReader
from portmapper_files import plugin


@pytest.fixture
def reader() -> Callable[..., SourceReader]:
    """Return a function that opens a location with the registered sources and formats."""

    def open_location(location: str | Path, chosen: str = "auto") -> SourceReader:
        sources, formats = plugin.portmapper_register_sources(), plugin.portmapper_register_formats()
        return open_source(str(location), sources, formats, chosen)

    return open_location
