"""miniupnpc's Python binding, run by Debian's Python without portmapper.

Run as `/usr/bin/python3 miniupnpc_binding.py COUNT [DELAY]`; prints the milliseconds for COUNT mappings.
It searches for DELAY milliseconds first, 500 if it is not given. `upnpc` searches for 2,000.
"""

import sys
import time

import miniupnpc  # type: ignore[import-not-found]

FIRST_PORT = 10_000

client = miniupnpc.UPnP()
client.discoverdelay = int(sys.argv[2]) if len(sys.argv) > 2 else 500
client.discover()
client.selectigd()
client.addportmapping(FIRST_PORT, "TCP", client.lanaddr, FIRST_PORT, "bench", "", 3600)
started = time.perf_counter()
for port in range(FIRST_PORT + 1, FIRST_PORT + 1 + int(sys.argv[1])):
    client.addportmapping(port, "TCP", client.lanaddr, port, "bench", "", 3600)
print((time.perf_counter() - started) * 1000)
