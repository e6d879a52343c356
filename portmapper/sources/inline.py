"""The source of mappings in the settings file itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from portmapper.api.source import Row, Source


class InlineSource(Source):
    """The `[[mapping]]` tables of the settings file. A reload reads them again with the file."""

    name = "settings"
    is_trusted = True

    def __init__(self, location: str, tables: Iterable[Mapping[str, object]]) -> None:
        super().__init__(location)
        self.tables = tuple(tables)

    @classmethod
    def claims(cls, location: str) -> bool:
        """Return False: no location refers to this source."""
        return False

    async def fetch(self) -> Sequence[Row]:
        """Return one row per table."""
        return [
            Row(table, f"mapping[{place}]", f"mapping[{place}].{{}}", strict_keys=True)
            for place, table in enumerate(self.tables)
        ]
