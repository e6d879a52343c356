"""What PCP and NAT-PMP mean by a mapping: one for each internal port of a host."""

from __future__ import annotations

import attrs

from portmapper_simulator import points
from portmapper_simulator.errors import Reason, Refused
from portmapper_simulator.points import MapAsk
from portmapper_simulator.state import State
from portmapper_simulator.table import Entry


async def ask_mapping(state: State, requested: MapAsk) -> Entry:
    """Open or renew what is asked for.

    Raises:
        Refused: the gateway will not.
    """
    ask = points.MAP.through(state.quirks, requested)
    held = _held(state, ask)
    if held is not None:
        _check_nonce(held, ask)
        if ask.exact and ask.external_port not in (0, held.external_port):
            raise Refused(Reason.CANNOT_PROVIDE_EXTERNAL, holder=held)
        # A mapping keeps its external port whatever a renewal suggests: RFC 6886 section 3.3,
        # RFC 6887 section 11.3.
        ask = attrs.evolve(ask, external_port=held.external_port)
    desired = Entry(
        protocol=ask.protocol,
        external_port=ask.external_port,
        internal_address=ask.internal_address,
        internal_port=ask.internal_port,
        mechanism=ask.mechanism,
        expires_at=state.nat.table.expires_at(min(ask.lifetime, state.settings.max_lifetime)),
        description=f"{'PCP' if ask.nonce else 'NAT-PMP'} {ask.internal_port} {ask.protocol}",
        nonce=ask.nonce or (held.nonce if held else b""),
    )
    return await state.nat.open(desired, exact=held is not None or (ask.exact and ask.external_port != 0))


def forget_mapping(state: State, ask: MapAsk) -> None:
    """Close what the client has; an internal port 0 is all of a protocol (RFC 6886 section 3.4).

    Raises:
        Refused: the nonce is another's.
    """
    if ask.internal_port == 0:
        for entry in state.nat.table:
            own = (entry.protocol, entry.internal_address) == (ask.protocol, ask.internal_address)
            if own and state.sees(ask.mechanism, entry):
                state.nat.close(entry)
    elif (held := _held(state, ask)) is not None:
        _check_nonce(held, ask)
        state.nat.close(held)


def _held(state: State, ask: MapAsk) -> Entry | None:
    """Return the mapping that the request renews; the one at its suggested port, if there are more."""
    entries = state.nat.table.toward(ask.protocol, ask.internal_address, ask.internal_port)
    visible = [entry for entry in entries if state.sees(ask.mechanism, entry)]
    visible.sort(key=lambda entry: entry.external_port != ask.external_port)
    return visible[0] if visible else None


def _check_nonce(held: Entry, ask: MapAsk) -> None:
    """Let nobody touch a PCP mapping without its nonce (RFC 6887 section 11.3)."""
    if ask.nonce and held.nonce and held.nonce != ask.nonce:
        raise Refused(Reason.NOT_AUTHORIZED, holder=held)
