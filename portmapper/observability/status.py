"""The status document: gateways, mappings and sources as JSON."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Mapping as AnyMapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from portmapper import __version__
from portmapper.api.external import ExternalKind, external_kind
from portmapper.api.model import HELD_BACK, IPAddress, MappingState, remote_text
from portmapper.pluginhost.faults import FAULTS
from portmapper.support.secrets import mask_urls
from portmapper.support.text import address_text, plural
from portmapper.support.wall_clock import wall_now

if TYPE_CHECKING:
    from portmapper.api.backend import Gateway
    from portmapper.api.model import MappingKey
    from portmapper.api.reading import Reading
    from portmapper.gateways.discovery import Discovery
    from portmapper.scheduler.record import Record
    from portmapper.scheduler.results import Moment
    from portmapper.store.stored_lease import StoredLease
    from portmapper.support.clock import Clock

Document = dict[str, Any]

CLOCK_SLACK = timedelta(seconds=60)
"""By how much NTP may set the clock back without a doubt about a lease."""


class Scheduler(Protocol):
    """What the document shows of the scheduler."""

    records: dict[MappingKey, Record]
    discovery: Discovery

    @property
    def answering(self) -> Callable[[], Collection[Gateway]]:
        """Returns the gateways that answer at the moment."""

    @property
    def external(self) -> dict[str, IPAddress | None]:
        """Gateway identity to the external address that it last told."""


_DETAILS = {
    ExternalKind.PUBLIC: "",
    ExternalKind.PRIVATE: (
        "double NAT: the gateway is behind another NAT, so the internet cannot reach its ports. "
        "Set the device in front of it to bridge mode, or open the ports there, too."
    ),
    ExternalKind.CGNAT: (
        "carrier-grade NAT (CGNAT): the provider shares the external address, so the internet cannot reach "
        "its ports. Ask the provider for a public address, or use IPv6 or a relay."
    ),
    ExternalKind.NONE: "no external address: the gateway is not connected",
}
_UNREAD = "external address not known: nothing has needed this protocol so far"
_BY_GRANT = "external address not known yet: this protocol reports it when a port is opened"


def status_document(
    scheduler: Scheduler,
    readings: Sequence[Reading],
    started_at: datetime,
    clock: Clock,
    error: str | None = None,
    mappings: list[Document] | None = None,
) -> Document:
    """Return the `status` document of a running scheduler and its sources.

    `error` describes a problem with the state directory. `mappings` are the documents of the mappings, by
    default those of `mapping_documents`.
    """
    if mappings is None:
        mappings = [*mapping_documents(scheduler.records, scheduler.external, clock)]
    # Two addresses of this host may reach one gateway.
    gateways = {gateway.identity: gateway for gateway in reversed(scheduler.discovery.gateways)}
    answering = scheduler.answering()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started_at": started_at.isoformat(),
        "gateways": [
            {
                **gateway_document(gateway, _external(gateway, gateways.values(), scheduler.external)),
                "answers": gateway in answering,
            }
            for gateway in reversed(gateways.values())
        ],
        "mappings": mappings,
        "sources": [source_document(reading) for reading in readings],
        "faults": FAULTS.document(),
        "error": error,
    }


def mapping_documents(
    records: AnyMapping[MappingKey, Record],
    external: dict[str, IPAddress | None],
    clock: Clock,
    closes_at: AnyMapping[MappingKey, datetime] = MappingProxyType({}),
) -> Iterator[Document]:
    """Yield the documents of mappings at one moment, however long the caller takes.

    `closes_at` tells when mappings close by themselves.
    """
    now, entries = moment(clock), tuple(records.items())
    for key, entry in entries:
        yield mapping_document(entry, external, now, closes_at.get(key))


def stored_document(leases: Iterable[StoredLease]) -> Document:
    """Return the `status` document if no daemon runs, from the lease store alone."""
    return {
        "version": __version__,
        "role": "alone",
        "leader": None,
        "pid": None,
        "started_at": None,
        "web_address": None,
        "gateways": [],
        "mappings": [_stored_mapping(stored) for stored in leases],
        "sources": [],
        "problems": [],
        "faults": [],
        "error": None,
    }


def summary(states: Sequence[str], problems: int) -> str:
    """Return how many mappings are open: `40 of 41 mappings open, 1 paused, 2 problems`."""
    counts = Counter(states)
    wanted = len(states) - sum(counts[state] for state in HELD_BACK)
    held_back = [f"{counts[state]} {state}" for state in HELD_BACK if counts[state]]
    trouble = [plural(problems, "problem")] if problems else []
    return ", ".join([f"{counts['active']} of {plural(wanted, 'mapping')} open", *held_back, *trouble])


def _external(
    gateway: Gateway, gateways: Iterable[Gateway], external: AnyMapping[str, IPAddress | None]
) -> IPAddress | None:
    """Return a gateway's external address; if it is unread, the one that another protocol reported."""
    if not gateway.unread:
        return external.get(gateway.identity)
    told = [external.get(other.identity) for other in gateways if other.address == gateway.address]
    return next((address for address in told if address is not None), None)


def gateway_document(gateway: Gateway, external: IPAddress | None) -> Document:
    """Describe one gateway."""
    kind = external_kind(external)
    return {
        "backend": gateway.backend,
        "protocol": gateway.protocol,
        "address": str(gateway.address),
        "model": gateway.model or (gateway.server if gateway.unread else ""),
        "page": gateway.page,
        "external_address": str(external) if external else None,
        "external_kind": kind.value,
        "detail": _detail(gateway, kind),
    }


def _detail(gateway: Gateway, kind: ExternalKind) -> str:
    if gateway.local_address.version == 6:
        return "opens pinholes: IPv6 addresses are not translated"
    if kind is ExternalKind.NONE and gateway.unread:
        return _UNREAD
    if kind is ExternalKind.NONE and gateway.address_by_grant:
        return _BY_GRANT
    return _DETAILS[kind]


def mapping_document(
    entry: Record, external: dict[str, IPAddress | None], now: Moment, closes_at: datetime | None = None
) -> Document:
    """Describe one desired mapping and its lease; `closes_at` is when it is no longer desired."""
    mapping, lease = entry.mapping, entry.lease
    internal = lease.internal_address if lease else next((p.internal_address for p in entry.places), None)
    external_address = (lease.external_address or external.get(lease.gateway)) if lease else None
    return {
        "protocol": mapping.protocol.value,
        "internal_address": address_text(internal) if internal else None,
        "internal_port": mapping.internal_port,
        "wanted_external_port": mapping.port,
        "external_address": address_text(external_address) if external_address else None,
        "external_port": lease.external_port if lease else None,
        "state": entry.state_at(now.monotonic).value,
        "backend": lease.backend if lease else None,
        "gateway": lease.gateway.partition(":")[2] if lease else mapping.gateway,
        "lifetime": lease.lifetime if lease else None,
        "expires_at": date(entry.expires_at if lease else None, now),
        "renews_at": date(entry.due if lease else None, now),
        "retries_at": date(None if lease or entry.attempting else entry.due, now),
        "permanent": lease.permanent if lease else False,
        "family": mapping.family.value,
        "comment": mapping.comment,
        "remote": remote_text(mapping.remote) or None,
        "reachable": None,
        "source": mapping.source,
        "origin": mapping.origin,
        "error": entry.error and mask_urls(entry.error),
        "passed_over": _passed_over(entry) if lease else [],
        "opens_at": None,
        "closes_at": closes_at.isoformat() if closes_at else None,
    }


def _passed_over(entry: Record) -> list[Document]:
    return [
        {"backend": gateway.partition(":")[0], "reason": mask_urls(str(error))}
        for gateway, error in entry.passed_over
    ]


def source_document(reading: Reading) -> Document:
    """Describe the last reading of one source."""
    return {
        "location": reading.location,
        "format": reading.format,
        "state": reading.state.value,
        "mappings": len(reading.mappings),
        "rejected": [bad.document for bad in reading.rejected],
        "error": reading.error and mask_urls(reading.error),
    }


def moment(clock: Clock) -> Moment:
    """Return the present on both clocks."""
    from portmapper.scheduler.results import Moment  # not needed without a daemon

    return Moment(clock.monotonic(), clock.now())


def date(monotonic: float | None, now: Moment) -> str | None:
    """Return a time of the monotonic clock as RFC 3339."""
    if monotonic is None:
        return None
    return (now.wall + timedelta(seconds=monotonic - now.monotonic)).isoformat(timespec="seconds")


def _stored_mapping(stored: StoredLease) -> Document:
    lease = stored.lease
    expiry = None if lease.permanent else stored.granted_at + timedelta(seconds=lease.lifetime)
    doubt = _doubt(stored, wall_now())
    return {
        "protocol": lease.protocol.value,
        "internal_address": str(lease.internal_address),
        "internal_port": lease.internal_port,
        "wanted_external_port": stored.wanted_port,
        "external_address": str(lease.external_address) if lease.external_address else None,
        "external_port": lease.external_port,
        "state": (MappingState.PENDING if doubt else MappingState.ACTIVE).value,
        "backend": lease.backend,
        "gateway": lease.gateway.partition(":")[2],
        "lifetime": lease.lifetime,
        "expires_at": expiry.replace(microsecond=0).isoformat() if expiry else None,
        "renews_at": None,
        "retries_at": None,
        "permanent": lease.permanent,
        "family": lease.family.value,
        "comment": stored.comment,
        "remote": remote_text(stored.lease.remote) or None,
        "reachable": None,
        "source": stored.source,
        "origin": stored.origin,
        "error": doubt,
        "passed_over": [],
        "opens_at": None,
        "closes_at": None,
    }


def _doubt(stored: StoredLease, now: datetime) -> str | None:
    """Return why a lease of an earlier run may not be open any more."""
    if not stored.confirmed or stored.expired(now):
        return "the lease expired or was never confirmed"
    if stored.granted_at > now + CLOCK_SLACK and not stored.lease.permanent:
        return "the clock was set back since the lease was granted: it may have expired"
    return None
