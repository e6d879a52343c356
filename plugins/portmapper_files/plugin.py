"""The plugin's entry point. It imports sources and formats only when a hook is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portmapper.api import hookimpl

if TYPE_CHECKING:
    from portmapper.api import Format, Source


@hookimpl
def portmapper_register_sources() -> list[type[Source]]:
    """Register standard input and files."""
    from portmapper_files.file import FileSource
    from portmapper_files.stdin import StdinSource

    return [StdinSource, FileSource]


@hookimpl
def portmapper_register_formats() -> list[type[Format]]:
    """Register CSV, JSON and TOML."""
    from portmapper_files.csv_format import CsvFormat
    from portmapper_files.json_format import JsonFormat
    from portmapper_files.toml_format import TomlFormat

    return [CsvFormat, JsonFormat, TomlFormat]
