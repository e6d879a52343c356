"""The source of the mappings that stand in the settings file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from portmapper.api.source import Row, Source


class InlineSource(Source):
    """The tables `[[mapping]]` of a settings file; they are read again with the file, on reload."""

    name = "settings"

    def __init__(self, location: str, tables: Iterable[Mapping[str, object]]) -> None:
        super().__init__(location)
        self.tables = tuple(tables)

    @classmethod
    def claims(cls, location: str) -> bool:
        """No location names it: it is made for the settings file alone."""
        return False

    async def fetch(self) -> Sequence[Row]:
        """Return a row for each table."""
        return [
            Row(table, f"mapping[{place}]", f"mapping[{place}].{{}}", strict_keys=True)
            for place, table in enumerate(self.tables)
        ]
