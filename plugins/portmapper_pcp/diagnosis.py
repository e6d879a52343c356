"""Whether the gateway's clock keeps time: it tells restarts (RFC 6886 section 3.6, RFC 6887 section 8.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from portmapper.api import BackendError, Finding
from portmapper_pcp.gateway import Port5351Gateway

PAUSE = 4.8
"""Seconds between two looks: in them a clock at half speed goes at most three, which is too few by more than
the tolerance."""

TOLERANCE = 1.5
"""Seconds; whole ones cost up to one."""


async def diagnose(gateway: Port5351Gateway[Any]) -> Sequence[Finding]:
    """Ask twice and compare; nothing is said of a gateway that does not answer."""
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
    passed, ours = second[0] - first[0], second[1] - first[1]
    if abs(passed - ours) <= TOLERANCE:
        return (Finding.ok("epoch-trouble", f"the clock of {gateway.protocol} keeps time"),)
    summary = (
        f"the clock of {gateway.protocol} went {passed} s in {ours:.1f} s: restarts may be missed or imagined"
    )
    advice = "update the router; until then prefer another protocol: --backend NAME"
    return (Finding.warning("epoch-trouble", summary, advice),)
