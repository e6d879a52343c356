"""Mappings of PCP and NAT-PMP: one for each internal port of a host."""

from __future__ import annotations

import attrs

from portmapper.api import Protocol
from portmapper_simulator import udp_points
from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.state import State
from portmapper_simulator.table import Entry
from portmapper_simulator.udp_points import MappingRequest


async def grant_mapping(state: State, received: MappingRequest) -> Entry:
    """Open or renew a mapping.

    Raises:
        Refused: the gateway refuses the request.
    """
    received = attrs.evolve(received, sibling_port=_sibling_port(state, received))
    request = udp_points.MAP.apply(state.quirks, received)
    held = _held(state, request)
    if held is not None:
        _check_nonce(held, request)
        if request.exact and request.external_port not in (0, held.external_port):
            raise Refused(Reason.CANNOT_PROVIDE_EXTERNAL, holder=held)
        # A renewal keeps the external port, even if it suggests another one: RFC 6886 section 3.3,
        # RFC 6887 section 11.3.
        request = attrs.evolve(request, external_port=held.external_port)
    desired = Entry(
        protocol=request.protocol,
        external_port=request.external_port,
        internal_address=request.internal_address,
        internal_port=request.internal_port,
        mechanism=request.mechanism,
        expires_at=state.nat.table.expires_at(min(request.lifetime, state.settings.max_lifetime)),
        description=f"{'PCP' if request.nonce else 'NAT-PMP'} {request.internal_port} {request.protocol}",
        nonce=request.nonce or (held.nonce if held else b""),
        remote=request.remote,
    )
    return await state.nat.open(
        desired, exact=held is not None or (request.exact and request.external_port != 0)
    )


def delete_mapping(state: State, request: MappingRequest) -> None:
    """Close a mapping; internal port 0 closes all of a protocol (RFC 6886 section 3.4).

    Raises:
        Refused: the nonce does not match.
    """
    if request.internal_port == 0:
        for entry in state.nat.table:
            own = (entry.protocol, entry.internal_address) == (request.protocol, request.internal_address)
            if own and state.sees(request.mechanism, entry):
                state.nat.close(entry)
    elif (held := _held(state, request)) is not None:
        _check_nonce(held, request)
        state.nat.close(held)


def _held(state: State, request: MappingRequest) -> Entry | None:
    """Return the mapping to renew, preferably the one with the suggested port."""
    entries = state.nat.table.find_by_target(
        request.protocol, request.internal_address, request.internal_port
    )
    visible = [entry for entry in entries if state.sees(request.mechanism, entry)]
    visible.sort(key=lambda entry: entry.external_port != request.external_port)
    return visible[0] if visible else None


def _sibling_port(state: State, request: MappingRequest) -> int:
    """Return the external port of the same host and internal port for the other protocol, 0 for none."""
    other = Protocol.UDP if request.protocol is Protocol.TCP else Protocol.TCP
    entries = state.nat.table.find_by_target(other, request.internal_address, request.internal_port)
    return next((entry.external_port for entry in entries), 0)


def _check_nonce(held: Entry, request: MappingRequest) -> None:
    """Refuse a change to a PCP mapping without its nonce (RFC 6887 section 11.3)."""
    if request.nonce and held.nonce and held.nonce != request.nonce:
        raise Refused(Reason.NOT_AUTHORIZED, holder=held)
