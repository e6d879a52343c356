"""Check of the gateway's clock, which reveals restarts (RFC 6886 section 3.6, RFC 6887 section 8.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from portmapper.api import BackendError, Finding
from portmapper_pcp.gateway import Port5351Gateway

PAUSE = 4.8
"""Seconds between two readings. A clock at half speed advances at most 3 s in this time, which is too little
by more than the tolerance."""

TOLERANCE = 1.5
"""Seconds; rounding to whole seconds accounts for up to one."""


async def diagnose(gateway: Port5351Gateway[Any]) -> Sequence[Finding]:
    """Read the clock twice and compare; return no finding if the gateway does not answer."""
    try:
        await gateway.probe()
        first = gateway.epoch
        await asyncio.sleep(PAUSE)
        await gateway.probe()
        second = gateway.epoch
    except BackendError:
        return ()
    finally:
        await gateway.close()
    if first is None or second is None:
        return ()
    server, client = second[0] - first[0], second[1] - first[1]
    if abs(server - client) <= TOLERANCE:
        return (Finding.ok("epoch-trouble", f"the {gateway.protocol} clock is accurate"),)
    summary = (
        f"the {gateway.protocol} clock advanced {server} s in {client:.1f} s:"
        " portmapper may miss restarts or report false ones"
    )
    advice = "update the router; until then use another protocol: --backend NAME"
    return (Finding.warning("epoch-trouble", summary, advice),)
