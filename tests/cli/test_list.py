"""`portmapper list` shows the gateways' tables."""

from __future__ import annotations

import csv
import io
import ipaddress
import json
from typing import Any

import attrs
import pytest

from portmapper.actions.tables import TableRow
from portmapper.api.model import Protocol, TableEntry
from portmapper.cli import list as list_command
from portmapper.cli.list import report_failures, show
from portmapper.cli.main import main

ENTRY = TableEntry(Protocol.TCP, 8080, ipaddress.ip_address("192.168.88.10"), 80, "web; server", 3600)
ROW = TableRow(ENTRY, "upnp", "192.168.88.1")


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TableRow, str]]:
    """The rows of the gateways, which the test can change."""
    found = [(ROW, "")]

    async def query(arguments: Any) -> tuple[list[tuple[TableRow, str]], bool]:
        return found, True

    monkeypatch.setattr(list_command, "_rows", query)
    return found


def test_our_own_lease_is_listed(program: Any, gateway: Any) -> None:
    """PCP cannot list a table, so the leases of the store are shown."""
    assert program.run("open", "8080/tcp", *gateway.options).status == 0
    finished = program.run("list", "--json", *gateway.options)
    assert finished.status == 0
    assert "showing portmapper's own leases" in finished.errors
    (mapping,) = json.loads(finished.output)["mappings"]
    assert (mapping["external_port"], mapping["ours"], mapping["backend"]) == (8080, True, "pcp")


def test_without_a_gateway_the_status_is_3(program: Any, silence: tuple[str, ...]) -> None:
    """Nothing is printed to standard output."""
    finished = program.run("list", *silence, "--backend", "pcp")
    assert (finished.status, finished.output) == (3, "")


@pytest.mark.usefixtures("rows")
def test_csv_is_a_list_that_run_reads(
    rows: list[tuple[TableRow, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Entries that `run` could not open again are omitted and reported."""
    rows.append((attrs.evolve(ROW, entry=attrs.evolve(ENTRY, external_port=81, internal_address=None)), ""))
    assert main(["list", "--csv"]) == 0
    captured = capsys.readouterr()
    (record,) = csv.DictReader(io.StringIO(captured.out), delimiter=";")
    assert (record["port"], record["internal_port"], record["comment"]) == ("8080", "80", "web; server")
    assert "gateway" not in record
    assert captured.err == "portmapper: omitted TCP 81\n"


def test_csv_of_several_gateways_names_them(
    rows: list[tuple[TableRow, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same port can be open on each of them."""
    rows.append((attrs.evolve(ROW, device="192.168.88.2"), ""))
    assert main(["list", "--csv"]) == 0
    records = csv.DictReader(io.StringIO(capsys.readouterr().out), delimiter=";")
    assert [record["gateway"] for record in records] == ["192.168.88.1", "192.168.88.2"]


def test_the_reason_is_in_the_json_of_a_stale_row(
    rows: list[tuple[TableRow, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Other rows have no such key."""
    rows.append((ROW, "nothing listens"))
    assert main(["list", "--json", "--stale"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["partial"] is True
    first, second = document["mappings"]
    assert "stale" not in first
    assert second["stale"] == "nothing listens"


def test_the_table_shows_reasons_or_comments(capsys: pytest.CaptureFixture[str]) -> None:
    """A stale row has its reason in place of the comment."""
    show([(ROW, "")], stale=False)
    assert "web; server" in capsys.readouterr().out
    show([(ROW, "nothing listens")], stale=True)
    output = capsys.readouterr().out
    assert "nothing listens" in output
    assert "web; server" not in output


def test_the_table_has_the_words_of_status(capsys: pytest.CaptureFixture[str]) -> None:
    """The port has its protocol, and the time left its units."""
    show([(ROW, "")], stale=False)
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["Port", "To", "Time", "left", "Comment"]
    assert row == "8080/tcp  192.168.88.10:80      1h 0m  web; server"


def test_gateways_are_shown_if_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    """A permanent mapping has no end."""
    other = attrs.evolve(ROW, device="192.168.88.2", entry=attrs.evolve(ENTRY, lifetime=0))
    show([(ROW, ""), (other, "")], stale=False)
    output = capsys.readouterr().out
    assert "UPnP 192.168.88.2" in output
    assert "no end" in output


def test_an_empty_table_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """Silence would look like a failure."""
    show([], stale=False)
    assert capsys.readouterr().out == "no mappings\n"


def test_unreadable_tables_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """The note about our own leases is printed only if they are shown and no table was read."""

    class Tables:
        failures: dict[str, Exception] = {}  # noqa: RUF012 (replaced below)
        partial: dict[str, int] = {}  # noqa: RUF012 (replaced below)
        readable: frozenset[str] = frozenset()

    tables: Any = Tables()
    report_failures(tables)
    assert "showing portmapper's own leases" in capsys.readouterr().err
    report_failures(tables, leases_shown=False)
    assert capsys.readouterr().err == ""
    tables.partial = {"upnp:192.168.88.1": 1}
    report_failures(tables)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "portmapper: the table may be incomplete: upnp:192.168.88.1 failed after 1 mapping"
    tables.partial = {}
    tables.failures = {"upnp:192.168.88.1": OSError("broken\nanswer")}
    report_failures(tables)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("portmapper: cannot read the table of upnp:192.168.88.1: broken")
