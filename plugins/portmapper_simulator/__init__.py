"""A software NAT gateway in asyncio: `portmapper simulate`, `portmapper demo`, and the project's tests.

Its wire formats are written independently of the client plugins, so that a mistake in one shows
against the other. `gateway` puts it together; `table` holds the mappings, `relay` moves the bytes,
`nat` joins the two; `udp_server` with `pcp_server` and `natpmp_server`, `ssdp_server` and
`http_server` with `soap_server` are what clients talk to; `points` names the places where a quirk may
change what they do, `quirks` and the `*_quirks` files are those changes, `profiles` bundles them.
"""
