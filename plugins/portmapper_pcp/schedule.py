"""When to send a request again; pure arithmetic, in seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST_WAIT = 0.25
"""RFC 6886 section 3.1. PCP's 3 s (RFC 6887 section 8.1.1) are for servers deep inside a provider's
network; our gateway is one hop away."""

URGENT_WAIT = 0.01
"""For what the renewal of the port's other protocol has just closed: a lost packet may not keep it closed for
a quarter of a second. A LAN answers sooner, so that it mostly is one packet still."""

LONGEST_WAIT = 1.0
"""Doubling ends here. NAT-PMP's nine sends would take 64 s; the scheduler asks again later anyway, so
the nine are put into the bound of one request instead: a LAN that loses every third packet both ways
then fails one request in four hundred."""

PCP_JITTER = 0.1
"""RAND of RFC 6887 section 8.1.1."""

REQUEST_LIMIT = 8.0
PROBE_LIMIT = 3.0


def waits(limit: float, jitter: float = 0.0, *, urgent: bool = False) -> Iterator[float]:
    """Yield how long to wait for the answer after each send; together `limit` seconds.

    Args:
        limit: seconds after which the request has failed.
        jitter: the share by which each wait is made shorter or longer at random.
        urgent: begin with `URGENT_WAIT`.
    """
    wait, left = URGENT_WAIT if urgent else FIRST_WAIT, limit
    while left > 0:
        wait *= 1 + random.uniform(-jitter, jitter)
        # A send right before the end would leave its answer no time.
        step = wait if left - wait > FIRST_WAIT else left
        yield step
        left -= step
        wait = min(2 * wait, LONGEST_WAIT)
