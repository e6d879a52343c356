"""The documents of mappings that are held back."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

from portmapper.api.model import Mapping, MappingState, Protocol
from portmapper.daemon.held_back import held_back_documents
from portmapper.observability.status import mapping_document, moment
from portmapper.scheduler.record import Record
from portmapper.sources.gates import HeldBack
from portmapper.support.clock import Clock

OPENS_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEB = Mapping(Protocol.TCP, 8080, 80, comment="web", source="ports.csv")
MAIL = Mapping(Protocol.TCP, 25, 25, ipaddress.ip_address("10.0.0.2"))
HELD = [
    HeldBack(WEB, MappingState.WAITING, "waits", OPENS_AT),
    HeldBack(MAIL, MappingState.PAUSED, "paused"),
]


def test_a_mapping_is_described_with_reason_and_time() -> None:
    """It has the keys of all other mappings."""
    web, mail = held_back_documents(HELD)
    assert (web["state"], web["error"], web["opens_at"]) == ("waiting", "waits", OPENS_AT.isoformat())
    assert (web["internal_address"], web["wanted_external_port"], web["comment"]) == (None, 8080, "web")
    assert (mail["internal_address"], mail["opens_at"]) == ("10.0.0.2", None)


def test_the_document_has_the_keys_of_all_other_mappings() -> None:
    """A reader does not have to tell them apart."""
    (document,) = held_back_documents(HELD[:1])
    assert document.keys() == mapping_document(Record(WEB), {}, moment(Clock())).keys()


def test_only_the_mappings_with_these_keys_are_described() -> None:
    """The answer to `open` has no others."""
    assert [document["comment"] for document in held_back_documents(HELD, [WEB.key])] == ["web"]
