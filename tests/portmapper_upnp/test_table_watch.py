"""Cheap checks whether a gateway's table changed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import pytest

from portmapper_upnp import table_watch
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.soap_fault import Fault
from portmapper_upnp.table_watch import QUIET_CHECKS, TableWatch

LOOPBACK = ipaddress.ip_address("127.0.0.1")
ENDPOINT = Endpoint("http://127.0.0.1/", LOOPBACK, LOOPBACK, boot_id="7")


class Table:
    """A service with rows.

    Attributes:
        ports: the external port of each row.
        end: the code beyond the last row; 0 repeats the last row.
        queries: the number of queries.
    """

    def __init__(self, *ports: int) -> None:
        self.ports = list(ports)
        self.end = 713
        self.queries = 0

    async def generic_entry(self, index: int) -> Mapping[str, str]:
        """Return a row."""
        self.queries += 1
        if index < len(self.ports):
            return {"NewExternalPort": str(self.ports[index]), "NewProtocol": "TCP"}
        if self.end:
            raise Fault(self.end, "")
        return {"NewExternalPort": str(self.ports[-1]), "NewProtocol": "TCP"}


@pytest.fixture
def check() -> Any:
    """Return a function that asks a new watch repeatedly."""
    watch = TableWatch(ENDPOINT)

    async def check(table: Any, *, events: bool = False) -> bool:
        return await watch.changed(table, events=events)

    check.watch = watch  # type: ignore[attr-defined]
    return check


@pytest.mark.parametrize("length", [1, 2, 3, 10, 100, 5000])
async def test_one_query_shows_that_nothing_changed(check: Any, length: int) -> None:
    """After the first check, which finds the end of the table in few queries."""
    table = Table(*range(1, length + 1))
    assert not await check(table)
    assert table.queries <= 30
    table.queries = 0
    assert not await check(table)
    assert table.queries == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda ports: ports.pop(0),
        lambda ports: ports.pop(),
        lambda ports: ports.clear(),
        lambda ports: ports.__setitem__(-1, 999),
    ],
    ids=["first", "last", "all", "replaced"],
)
async def test_a_row_that_someone_removed_or_replaced_is_noticed(check: Any, change: Any) -> None:
    """Whichever it is."""
    table = Table(1, 2, 3, 4)
    await check(table)
    change(table.ports)
    assert await check(table)


async def test_what_was_lost_before_the_first_check_is_noticed(check: Any) -> None:
    """The table has fewer rows than we added."""
    for _ in range(3):
        check.watch.added()
    assert await check(Table(1, 2))


async def test_our_own_changes_are_expected(check: Any) -> None:
    """Gateways list the newest row first or last."""
    table = Table(1, 2, 3)
    await check(table)
    table.ports.insert(0, 4)
    check.watch.added()
    assert not await check(table)
    table.ports.remove(1)
    check.watch.removed()
    assert not await check(table)


@pytest.mark.parametrize("end", [401, 0])
async def test_a_table_without_an_end_has_to_be_verified_each_time(check: Any, end: int) -> None:
    """The gateway cannot list its table, or repeats the last row forever."""
    table = Table(1, 2)
    table.end = end
    assert [await check(table) for _ in range(3)] == [True, True, True]
    queries = table.queries
    await check(table)
    assert table.queries == queries


async def test_while_events_arrive_the_table_is_rarely_queried(check: Any, monkeypatch: Any) -> None:
    """One packet shows that the gateway did not restart."""
    asked: list[Endpoint] = []

    async def boot_id(endpoint: Endpoint) -> str:
        asked.append(endpoint)
        return "7"

    monkeypatch.setattr(table_watch, "boot_id", boot_id)
    table = Table(1, 2)
    await check(table, events=True)
    table.queries = 0
    for _ in range(2 * (QUIET_CHECKS + 1)):
        assert not await check(table, events=True)
    assert (table.queries, len(asked)) == (2, 2 * QUIET_CHECKS)


@pytest.mark.parametrize("answer", ["8", ""])
async def test_a_gateway_that_restarted_or_is_silent_has_its_table_queried(
    check: Any, monkeypatch: Any, answer: str
) -> None:
    """Even while events seem to arrive: they end without a word."""

    async def boot_id(_: Endpoint) -> str:
        return answer

    monkeypatch.setattr(table_watch, "boot_id", boot_id)
    table = Table(1, 2)
    await check(table)
    table.ports.clear()
    assert await check(table, events=True)


@pytest.mark.parametrize(("count", "shrank"), [("2", True), ("3", False), ("4", False), ("x", True)])
def test_the_number_of_entries_shows_what_someone_else_removed(
    check: Any, monkeypatch: pytest.MonkeyPatch, count: str, shrank: bool
) -> None:
    """A number that cannot be read is a reason to look."""
    for _ in range(3):
        check.watch.added()
    monkeypatch.setattr(table_watch, "SETTLED", 0.0)
    assert check.watch.shrank(count) is shrank


def test_right_after_our_own_change_the_number_means_nothing(check: Any) -> None:
    """Some gateways lose an event while another one is under way."""
    for _ in range(3):
        check.watch.added()
    assert not check.watch.shrank("1")


def test_entries_of_others_count_from_the_event_on(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the loss of one of ours is noticed then."""
    monkeypatch.setattr(table_watch, "SETTLED", 0.0)
    check.watch.added()
    assert not check.watch.shrank("5")
    assert check.watch.shrank("4")


async def test_a_restart_between_two_checks_is_noticed_whatever_the_table_holds(
    check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host may have opened its port again, which is then the last row as before."""
    answers = iter(["7", "8", "8", "8"])

    async def boot_id(_: Endpoint) -> str:
        return next(answers)

    monkeypatch.setattr(table_watch, "boot_id", boot_id)
    table = Table(5, 1)
    assert not await check(table, events=True)
    assert not await check(table, events=True)
    table.ports = [7, 1]
    assert await check(table, events=True)


async def test_entries_of_an_earlier_run_that_were_lost_before_the_first_check_count(
    check: Any,
) -> None:
    """The renewals at the start show how many there were."""
    for _ in range(3):
        check.watch.renewed()
    assert await check(Table(1))
    check.watch.renewed()
    assert not await check(Table(1))
