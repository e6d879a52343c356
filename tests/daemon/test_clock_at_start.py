"""The wall clock may be wrong at start: a date closes no port of a source that cannot be read yet."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

YEAR = 366 * 86400
GRANTS = {"a year ahead": -YEAR, "a year back": YEAR, "1970": None}
"""How far the clock is off, and by how much the stored grants move instead; None: to a date after it."""

HEADER = "port;protocol\n"


def shift_grants(state: Path, seconds: float | None) -> None:
    """Move the time of all stored grants: it is the same as a clock that moved the other way."""
    shift = time.time() if seconds is None else seconds
    with contextlib.closing(sqlite3.connect(state / "leases.sqlite3")) as store, store:
        store.execute("UPDATE leases SET granted_at = granted_at + ?", (shift,))


@pytest.mark.parametrize("clock", GRANTS)
def test_a_port_of_an_unreadable_list_stays_open_whatever_the_clock_says(
    program: Any, gateway: Any, ports: Path, tmp_path: Path, clock: str
) -> None:
    """It is closed as soon as the list can be read and no longer has the row."""
    other = tmp_path / "other.csv"
    other.write_text(f"{HEADER}8081;TCP\n")
    command = ("run", "-n", "1", *gateway.options, str(ports), str(other))
    with program.running(*command) as daemon:
        daemon.until(lambda: gateway.ports() == {8080, 8081}, "opened")
        daemon.process.kill()
    shift_grants(program.state, GRANTS[clock])
    ports.unlink()
    ports.mkdir()
    other.write_text(f"{HEADER}8081;TCP\n8082;TCP\n")
    before = len(gateway.requests())
    with program.running(*command) as daemon:
        daemon.until(lambda: gateway.ports() == {8080, 8081, 8082}, "opened the new row")
        daemon.until(lambda: len(gateway.requests()) >= before + 3, "renewed all")
        assert ("MAP", 0) not in gateway.requests()
        ports.rmdir()
        ports.write_text(f"{HEADER}8083;TCP\n")
        daemon.until(lambda: gateway.ports() == {8081, 8082, 8083}, "released")


@pytest.mark.parametrize("clock", GRANTS)
def test_empty_standard_input_closes_nothing_whatever_the_clock_says(
    program: Any, gateway: Any, ports: Path, clock: str
) -> None:
    """A generator that failed writes nothing."""
    with ports.open("rb") as rows, program.running("run", *gateway.options, "-", stdin=rows) as daemon:
        daemon.until(lambda: gateway.ports() == {8080}, "opened")
        daemon.process.kill()
    shift_grants(program.state, GRANTS[clock])
    finished = program.run("run", *gateway.options, "-")
    assert finished.status != 0
    assert "empty" in finished.errors
    assert gateway.ports() == {8080}
