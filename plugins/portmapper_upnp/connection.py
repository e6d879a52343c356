"""The description of a gateway, and calls to its WAN connection services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

from async_upnp_client.client import UpnpService
from async_upnp_client.client_factory import UpnpFactory
from async_upnp_client.const import HttpRequest, HttpResponse
from async_upnp_client.exceptions import UpnpError

from portmapper.api import (
    BackendError,
    ExternalKind,
    IPAddress,
    Lease,
    MapRequest,
    NetworkFailure,
    Protocol,
    TableEntry,
    Unsupported,
    external_kind,
    remote_text,
)
from portmapper.support.values import frozen
from portmapper_upnp.description import canonical_description
from portmapper_upnp.description_requester import SCPD_URL, DescriptionRequester
from portmapper_upnp.entry_lookup import EntryLookup
from portmapper_upnp.optional_queries import QUERY_TIME, OptionalQueries
from portmapper_upnp.requester import SERVER, BoundedRequester
from portmapper_upnp.scpd import ServiceKind
from portmapper_upnp.soap_call import Service, read_address, read_number
from portmapper_upnp.soap_fault import ABSENT, Fault
from portmapper_upnp.table_entry import has_no_holder, is_disabled, read_entries

Answer = TypeVar("Answer")


@frozen
class Description:
    """The relevant content of a device description.

    Attributes:
        device_type: type of the root device.
        model: model name as the device reports it; untrusted.
        server: software as the device reports it; untrusted.
        udn: unique device name.
        page: URL of the device's own web page, empty if it has none at its address.
        services: services of the requested kind, at least one.
    """

    device_type: str
    model: str
    server: str
    udn: str
    page: str
    services: list[UpnpService]


async def describe(requester: BoundedRequester, location: str, kind: ServiceKind) -> Description:
    """Fetch a description and build its services of one kind; each further service costs milliseconds.

    Raises:
        Unsupported: the device has no such service, or its document is refused.
        NetworkFailure, GatewayTimeout: the description cannot be read.
    """
    servers: list[str] = []
    documents = DescriptionRequester(requester, kind.scpd)

    def rewrite(response: HttpResponse) -> HttpResponse:
        _check_status(response)
        servers.append(response.headers.get(SERVER, ""))
        return HttpResponse(
            HTTPStatus.OK, {}, canonical_description(response.body or "", documents.location, kind)
        )

    factory = UpnpFactory(
        documents,
        non_strict=True,
        on_post_receive_device_spec=rewrite,
        on_pre_receive_service_spec=lambda request: _at(request, SCPD_URL),
    )
    try:
        device = await factory.async_create_device(location)
    except UpnpError as error:
        raise Unsupported("the gateway's description is invalid") from error
    services = list(device.all_services)
    if not services:
        raise Unsupported(f"the device describes no {kind.name}")
    return Description(
        device_type=device.device_type,
        model=device.model_name,  # the friendly name often names its owner
        server=servers[0],
        udn=device.udn,
        page=device.presentation_url or "",
        services=services,
    )


def _check_status(response: HttpResponse) -> None:
    if response.status_code // 100 != 2:
        raise NetworkFailure(f"the gateway does not serve its description: HTTP {response.status_code}")


def _at(request: HttpRequest, url: str) -> HttpRequest:
    return HttpRequest(request.method, url, request.headers, request.body, request.timeout)


class WanConnection(Service):
    """One WANIPConnection or WANPPPConnection service.

    Attributes:
        lookup: how its entries are found.
    """

    def __init__(self, service: UpnpService, patience: Callable[[], float] = lambda: 1.0) -> None:
        super().__init__(service)
        self._patience = patience
        self.lookup = EntryLookup(self.call)
        self._optional = OptionalQueries()

    @property
    def is_v2(self) -> bool:
        """Whether the actions of WANIPConnection:2 are available."""
        return self.kind.lower().endswith("wanipconnection:2")

    async def status(self) -> str:
        """Return the connection status, such as `Connected`."""
        return (await self.call("GetStatusInfo")).get("NewConnectionStatus", "")

    async def external_address(self) -> IPAddress | None:
        """Return the external address, None for 0.0.0.0, loopback or an empty answer (S5).

        An IPv6 address is not the address of a port that is mapped over IPv4 (S8).
        """
        address = read_address((await self.call("GetExternalIPAddress")).get("NewExternalIPAddress", ""))
        if address is None or address.version == 6 or external_kind(address) is ExternalKind.NONE:
            return None
        return address

    async def hides_address(self) -> bool:
        """Tell whether it is connected but reports no address at all, not even 0.0.0.0.

        Many do so behind another NAT: their address is private, and they open no ports.
        """
        if (await self.status()).strip().lower() != "connected":
            return False
        return not (await self.call("GetExternalIPAddress")).get("NewExternalIPAddress", "").strip()

    async def add(self, action: str, arguments: Mapping[str, str]) -> int | None:
        """Add a mapping with AddPortMapping or AddAnyPortMapping; return the reserved port, if any."""
        return read_number((await self.call(action, **arguments)).get("NewReservedPort", ""), 65535) or None

    async def first_entry(self) -> Mapping[str, str]:
        """Return the first entry of the table. Raise `Fault` if there is none."""
        return await self.generic_entry(0)

    async def generic_entry(self, index: int) -> Mapping[str, str]:
        """Return the entry at this index of the table. Raise `Fault` if there is none."""
        return await self.call("GetGenericPortMappingEntry", NewPortMappingIndex=str(index))

    async def delete(self, protocol: Protocol, external_port: int, remote: str = "") -> bool:
        """Delete a mapping; return whether there was one. A missing mapping counts as deleted (M10)."""
        try:
            await self.call("DeletePortMapping", **self.lookup.key(protocol, external_port, remote))
        except Fault as fault:
            if fault.number not in ABSENT:
                raise
            return False
        return True

    async def optional(self, name: str, query: Callable[[], Awaitable[Answer]]) -> Answer:
        """Await a query within its short limit, which grows with the gateway's pace. Raise `BackendError`."""
        return await self._optional.ask(name, query, QUERY_TIME * self._patience())

    async def optional_entry(
        self, protocol: Protocol, external_port: int, remote: str = "", *, enabled_only: bool = False
    ) -> TableEntry | None:
        """Return the entry of a port like `entry`, within the limit of an optional query."""
        return await self.optional(
            "GetSpecificPortMappingEntry",
            lambda: self.entry(protocol, external_port, remote, enabled_only=enabled_only),
        )

    async def learns_to_find(self, protocol: Protocol, external_port: int) -> bool:
        """Tell whether an entry that was not found is in the listing, and can be found from now on (M29)."""
        try:
            return await self.optional(
                "GetGenericPortMappingEntry", lambda: self.lookup.learn(protocol, external_port)
            )
        except BackendError:
            return False

    async def entry(
        self, protocol: Protocol, external_port: int, remote: str = "", *, enabled_only: bool = False
    ) -> TableEntry | None:
        """Return the entry of a port, None if there is none (or, with `enabled_only`, no enabled one)."""
        answer = await self.lookup.find(protocol, external_port, remote)
        if answer is None or has_no_holder(answer) or (enabled_only and is_disabled(answer)):
            return None
        fields = {**answer, "NewProtocol": protocol, "NewExternalPort": str(external_port)}
        return next(iter(read_entries(fields)), None)


def remote_host(subject: MapRequest | Lease) -> str:
    """Return the remote host of a request or lease as an argument; empty means any host."""
    return remote_text(subject.remote)
