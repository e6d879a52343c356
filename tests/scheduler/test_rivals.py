"""Another daemon that keeps the same mapping open is recognized by the entry that it writes."""

from __future__ import annotations

from ipaddress import ip_address

import attrs
import pytest

from portmapper.api.model import ConflictPolicy, Family, Mapping, MapRequest, Protocol, TableEntry
from portmapper.scheduler.rivals import Rivals

OURS, OTHER = ip_address("192.168.88.10"), ip_address("192.168.88.11")
KEY = Mapping(Protocol.TCP, 8080, 80, family=Family.IPV4).key
REQUEST = MapRequest(Protocol.TCP, OURS, 80, 8080, comment="Büro: web server, first floor")
ENTRY = TableEntry(Protocol.TCP, 8080, OTHER, 80, comment="B?ro: web server, f")


def may_replace(rivals: Rivals, *, held: bool = False, losses: int = 0) -> bool:
    """Return whether a request under `take` may replace an entry without looking."""
    return rivals.may_replace(KEY, ConflictPolicy.TAKE, held=held, losses=losses)


def test_the_first_request_replaces_any_entry() -> None:
    """A renewal, and a request after a loss, look first; other policies replace nothing."""
    rivals = Rivals()
    assert may_replace(rivals)
    assert not may_replace(rivals, held=True)
    assert not may_replace(rivals, losses=1)
    assert not rivals.may_replace(KEY, ConflictPolicy.OWN, held=False, losses=0)


def test_a_rival_is_logged_once_and_never_replaced_again(caplog: pytest.LogCaptureFixture) -> None:
    """The line has the port and the address. A rival on another host gets a line, too."""
    rivals = Rivals()
    for _ in range(3):
        assert rivals.recognize(KEY, REQUEST, ENTRY)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("8080/tcp is left to 192.168.88.11: a daemon there keeps the same")
    assert not may_replace(rivals)
    assert rivals.recognize(KEY, REQUEST, attrs.evolve(ENTRY, internal_address=ip_address("192.168.88.12")))
    assert len(caplog.messages) == 2


@pytest.mark.parametrize(
    "entry",
    [
        attrs.evolve(ENTRY, internal_port=81),
        attrs.evolve(ENTRY, comment="game"),
        attrs.evolve(ENTRY, internal_address=OURS),
        attrs.evolve(ENTRY, internal_address=None),
    ],
    ids=["another port", "another comment", "our host", "unknown host"],
)
def test_the_entry_of_another_program_is_no_rival(entry: TableEntry) -> None:
    """The policy `take` replaces it."""
    rivals = Rivals()
    assert not rivals.recognize(KEY, REQUEST, entry)
    assert may_replace(rivals)
