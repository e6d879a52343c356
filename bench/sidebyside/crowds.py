"""Many mappings on a real gateway, and the first one of a program that is already running."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab

from sidebyside.rows import Row
from sidebyside.timing import in_turns, told

INSIDE = (sys.executable, "-P", "-m", "sidebyside.inside")
CRAFTED = (sys.executable, "-P", "-m", "sidebyside.crafted")
DEBIAN = "/usr/bin/python3"
BINDING = str(Path(__file__).with_name("binding.py"))
WINDOWS = (1, 4, 16)
"""Packets under way at a time; the best of them counts."""

LIBPLUM = 2.8
"""Milliseconds of libplum's first PCP mapping, as measured elsewhere: no package of it is to be had."""


def first_leases(lab: Lab, times: int) -> Iterator[Row]:
    """Time the search and the first lease in process, all libraries loaded."""
    for backend, target in (("pcp", 2 * LIBPLUM + 1), ("natpmp", None), ("upnp", 20.0)):
        figure = told(lab.lan.command(*INSIDE, "first", backend, str(times)))
        yield Row(f"search to first lease, {backend}", figure, "ms", target=target, steady=False)


def over_udp(lab: Lab, count: int, times: int) -> Iterator[Row]:
    """Compare with a bare loop of packets, on a gateway that begins with an empty table each time."""
    for backend in ("pcp", "natpmp"):
        size = str(count)
        actions = {
            f"window {window}": partial(
                _fresh, lab, *CRAFTED, backend, size, str(window), LAN_GATEWAY, LAN_HOST
            )
            for window in WINDOWS
        }
        actions["ours"] = partial(_fresh, lab, *INSIDE, "many", backend, size)
        found = in_turns(times, actions)
        ours = found.pop("ours")
        best = min(found, key=lambda name: found[name])
        yield Row(f"{count} mappings, {backend}", ours, "ms", f"bare packets, {best}", found[best], 1.1)


def over_soap(lab: Lab, count: int, times: int) -> Iterator[Row]:
    """Compare with miniupnpc's Python binding, where Debian's package is installed."""
    name = f"{count} mappings, upnp"
    if not _has_binding():
        yield Row(
            name,
            _fresh(lab, *INSIDE, "many", "upnp", str(count)),
            "ms",
            "python3-miniupnpc is missing",
            steady=False,
        )
        return
    found = in_turns(
        times,
        {
            "ours": lambda: _fresh(lab, *INSIDE, "many", "upnp", str(count)),
            "theirs": lambda: _fresh(lab, DEBIAN, BINDING, str(count)),
        },
    )
    yield Row(name, found["ours"], "ms", "miniupnpc's Python binding", found["theirs"], 1.0)


def _fresh(lab: Lab, *command: str) -> float:
    lab.gateway.reset()
    return told(lab.lan.command(*command))


def _has_binding() -> bool:
    if not Path(DEBIAN).exists():
        return False
    found = subprocess.run((DEBIAN, "-c", "import miniupnpc"), check=False, capture_output=True)
    return found.returncode == 0
