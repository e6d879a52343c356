"""Actions of WANIPConnection:1 and :2 and WANPPPConnection:1, which read and change the table."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from xml.sax.saxutils import escape

import attrs

from portmapper.api import Protocol, remote_text
from portmapper_simulator import upnp_points
from portmapper_simulator.actions import WAN_IP_2
from portmapper_simulator.description import tag
from portmapper_simulator.errors import Fault, Reason, Refused
from portmapper_simulator.state import State
from portmapper_simulator.table import Entry
from portmapper_simulator.upnp_points import AddRequest, Call

Results = Mapping[str, str]

MAX_LEASE = 604_800
"""Longest lease, also for a lease of 0 (WANIPConnection:2, section 2.3.6)."""

LIST_NAMESPACE = "urn:schemas-upnp-org:gw:WANIPConnection"


async def call_connection(state: State, call: Call) -> Results:
    """Run an action with complete arguments. Raises `Fault`."""
    assert call.service is not None
    if call.action in ("AddPortMapping", "AddAnyPortMapping"):
        return await _add(state, call)
    if call.action in _TABLE_ACTIONS:
        return _TABLE_ACTIONS[call.action](state, call.arguments)
    answers = {
        "GetExternalIPAddress": {"NewExternalIPAddress": call.service.external_address},
        "GetStatusInfo": {
            "NewConnectionStatus": "Connected" if call.service.connected else "Disconnected",
            "NewLastConnectionError": "ERROR_NONE",
            "NewUptime": str(state.uptime),
        },
        "GetNATRSIPStatus": {"NewRSIPAvailable": "0", "NewNATEnabled": "1"},
        "GetConnectionTypeInfo": {
            "NewConnectionType": "IP_Routed",
            "NewPossibleConnectionTypes": "IP_Routed",
        },
    }
    if call.action not in answers:
        raise Fault(606)  # clients may not change the connection itself
    return answers[call.action]


async def _add(state: State, call: Call) -> Results:
    received = _read_add_request(state, call)
    request = upnp_points.ADD.apply(state.quirks, received)
    assert call.service is not None
    if call.service.kind == WAN_IP_2:
        request = _with_lease_of_v2(request)
    desired = Entry(
        protocol=request.protocol,
        external_port=request.external_port,
        internal_address=request.client,
        internal_port=request.internal_port,
        mechanism="upnp",
        expires_at=state.nat.table.expires_at(request.lifetime),
        description=request.description,
        enabled=request.enabled,
        remote=request.remote,
    )
    opened = await _open(state, desired, exact=not request.any_port) if request.kept else desired
    return {"NewReservedPort": str(opened.external_port)} if request.any_port else {}


async def _open(state: State, desired: Entry, *, exact: bool) -> Entry:
    try:
        return await state.nat.open(desired, exact=exact)
    except Refused as refused:
        other = refused.holder is not None and not state.sees("upnp", refused.holder)
        codes = {
            Reason.NOT_AUTHORIZED: 606,
            Reason.NO_RESOURCES: 728,
            Reason.CANNOT_PROVIDE_EXTERNAL: 729 if other else 718,
        }
        raise Fault(codes[refused.reason]) from refused


def _with_lease_of_v2(request: AddRequest) -> AddRequest:
    lifetime = request.lifetime or MAX_LEASE
    return attrs.evolve(request, lifetime=min(lifetime, MAX_LEASE))


def _read_add_request(state: State, call: Call) -> AddRequest:
    arguments = call.arguments
    any_port = call.action == "AddAnyPortMapping"
    protocol, external_port = _read_key(arguments)
    client = arguments["NewInternalClient"]
    internal_port = _number(arguments["NewInternalPort"], 65535)
    if not external_port and not any_port:
        raise Fault(716)
    if not internal_port:
        raise Fault(732)
    _check_client(client)
    held = state.nat.table.get(protocol, external_port)
    return AddRequest(
        any_port=any_port,
        caller=call.caller,
        protocol=protocol,
        external_port=external_port,
        client=client,
        internal_port=internal_port,
        lifetime=_number(arguments["NewLeaseDuration"], 2**32 - 1),
        description=arguments["NewPortMappingDescription"],
        enabled=_number(arguments["NewEnabled"], 1) == 1,
        renews=held is not None and held.internal_address == client,
        other_ports=any(
            (e.protocol, e.internal_address, e.internal_port) == (protocol, client, internal_port)
            for e in state.nat.table
            if e.external_port != external_port
        ),
        entries=len(state.nat.table),
        remote=_remote(arguments),
        other_descriptions=frozenset(e.description for e in state.nat.table if e is not held),
    )


def _check_client(client: str) -> None:
    try:
        ipaddress.IPv4Address(client)
    except ValueError as error:
        raise Fault(402) from error


def _delete(state: State, arguments: Results) -> Results:
    entry = _find(state, arguments)
    if entry is None:
        code = upnp_points.MISSING.apply(state.quirks, 714)
    else:
        state.nat.close(entry)
        code = upnp_points.DELETED.apply(state.quirks, 0)
    if code:
        raise Fault(code)
    return {}


def _delete_range(state: State, arguments: Results) -> Results:
    found = _in_range(state, arguments)
    if not found:
        raise Fault(730)
    for entry in found:
        state.nat.close(entry)
    return {}


def _get_specific(state: State, arguments: Results) -> Results:
    free = upnp_points.FREE_PORT.apply(state.quirks, None)
    if free is not None and state.nat.table.get(*_read_key(arguments)) is None:
        return free
    described = _described(state, _specific(state, arguments))
    return {name: value for name, value in described.items() if name not in arguments}


def _get_generic(state: State, arguments: Results) -> Results:
    index = _number(arguments["NewPortMappingIndex"], 65535)
    extra = upnp_points.LISTING.apply(state.quirks, ())
    visible = _visible(state)
    if index < len(extra):
        return _dummy(*extra[index])
    if index - len(extra) >= len(visible):
        raise Fault(upnp_points.LIST_END.apply(state.quirks, 713))
    return _described(state, visible[index - len(extra)])


def _get_list(state: State, arguments: Results) -> Results:
    most = _number(arguments["NewNumberOfPorts"], 65535)
    found = _in_range(state, arguments)[: most or None]
    if not found:
        raise Fault(730)
    rows = "".join(_list_row(_described(state, entry)) for entry in found)
    return {"NewPortListing": f'<p:PortMappingList xmlns:p="{LIST_NAMESPACE}">{rows}</p:PortMappingList>'}


_TABLE_ACTIONS = {
    "DeletePortMapping": _delete,
    "DeletePortMappingRange": _delete_range,
    "GetSpecificPortMappingEntry": _get_specific,
    "GetGenericPortMappingEntry": _get_generic,
    "GetListOfPortMappings": _get_list,
}


def _specific(state: State, arguments: Results) -> Entry:
    entry = _find(state, arguments)
    if entry is None:
        raise Fault(714)
    return entry


def _find(state: State, arguments: Results) -> Entry | None:
    entry = state.nat.table.get(*_read_key(arguments))
    is_it = entry is not None and state.sees("upnp", entry) and entry.remote == _remote(arguments)
    return entry if is_it else None


def _remote(arguments: Results) -> ipaddress.IPv4Network | None:
    text = arguments.get("NewRemoteHost", "")
    if text in ("", "*", "0.0.0.0"):
        return None
    try:
        return ipaddress.IPv4Network(ipaddress.IPv4Address(text))
    except ValueError:
        raise Fault(402) from None


def _in_range(state: State, arguments: Results) -> list[Entry]:
    first = _number(arguments["NewStartPort"], 65535)
    last = _number(arguments["NewEndPort"], 65535)
    if first > last:
        raise Fault(733)
    protocol = _protocol(arguments)
    return [e for e in _visible(state) if e.protocol is protocol and first <= e.external_port <= last]


def _visible(state: State) -> list[Entry]:
    visible = [entry for entry in state.nat.table if state.sees("upnp", entry)]
    return visible[::-1] if upnp_points.NEWEST_FIRST.apply(state.quirks, False) else visible


def _described(state: State, entry: Entry) -> Results:
    fields = {
        "NewRemoteHost": remote_text(entry.remote),
        "NewExternalPort": str(entry.external_port),
        "NewProtocol": entry.protocol.value,
        "NewInternalPort": str(entry.internal_port),
        "NewInternalClient": entry.internal_address,
        "NewEnabled": str(int(entry.enabled)),
        "NewPortMappingDescription": entry.description,
        "NewLeaseDuration": str(state.nat.table.remaining(entry)),
    }
    return upnp_points.ROW.apply(state.quirks, fields)


def _dummy(protocol: str, description: str) -> Results:
    return {
        "NewRemoteHost": "",
        "NewExternalPort": "0",
        "NewProtocol": protocol,
        "NewInternalPort": "0",
        "NewInternalClient": "0.0.0.0",
        "NewEnabled": "0",
        "NewPortMappingDescription": description,
        "NewLeaseDuration": "0",
    }


def _list_row(described: Mapping[str, str]) -> str:
    """Return a row of the list, which has different names for two fields."""
    renamed = {"NewPortMappingDescription": "NewDescription", "NewLeaseDuration": "NewLeaseTime"}
    return tag(
        "p:PortMappingEntry",
        *(tag(f"p:{renamed.get(name, name)}", escape(value)) for name, value in described.items()),
    )


def _read_key(arguments: Results) -> tuple[Protocol, int]:
    return _protocol(arguments), _number(arguments["NewExternalPort"], 65535)


def _protocol(arguments: Results) -> Protocol:
    try:
        return Protocol(arguments["NewProtocol"])
    except ValueError as error:
        raise Fault(402) from error


def _number(text: str, largest: int) -> int:
    """Read a number strictly, as some gateways do."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= largest):
        raise Fault(402)
    return int(text)
