"""The JSON format: an array of objects."""

from __future__ import annotations

from collections.abc import Iterator

from portmapper.api import Format, FormatOptions, Row


class JsonFormat(Format):
    """JSON compatible with upnp-daemon; unknown keys are ignored."""

    name = "json"
    suffixes = (".json",)
    content_types = ("application/json", "text/json")

    def parse(self, content: bytes, options: FormatOptions) -> Iterator[Row]:
        """Yield a row for each element; an empty document is an error."""
        from portmapper_files.json_rows import json_rows  # most lists are CSV

        return json_rows(content)
