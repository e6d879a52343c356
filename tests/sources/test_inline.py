"""The mappings of the settings file are a source."""

from __future__ import annotations

from portmapper.sources.inline import InlineSource


async def test_each_table_is_a_row() -> None:
    """Its place is the path of the table, and an unknown key is an error."""
    source = InlineSource("portmapper.toml", [{"port": 80}, {"port": 81}])
    rows = await source.fetch()
    assert [(row.fields, row.where) for row in rows] == [
        ({"port": 80}, "mapping[0]"),
        ({"port": 81}, "mapping[1]"),
    ]
    assert rows[1].field_where.format("port") == "mapping[1].port"
    assert all(row.strict_keys for row in rows)


def test_no_location_refers_to_it() -> None:
    """It is created only for the settings file."""
    assert not InlineSource.claims("portmapper.toml")
