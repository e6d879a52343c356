"""The TOML format: one `[[mapping]]` table for each row."""

from __future__ import annotations

from collections.abc import Iterator

from portmapper.api import Format, FormatOptions, Row


class TomlFormat(Format):
    """TOML with strict keys: a misspelled key is an error."""

    name = "toml"
    suffixes = (".toml",)
    content_types = ("application/toml", "text/toml")

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each `[[mapping]]`; nothing for an empty document."""
        from portmapper_files.toml_rows import toml_rows  # most lists are CSV

        return toml_rows(content)
