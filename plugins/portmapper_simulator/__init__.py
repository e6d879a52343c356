"""NAT gateway in software, for `portmapper simulate`, `portmapper demo` and tests.

The wire formats do not share code with the client plugins, so that a mistake in one shows in tests.
`gateway` combines the parts: `table` holds the mappings, `relay` forwards traffic, and `nat` keeps both
in step. Clients talk to `udp_server` (`pcp_server`, `natpmp_server`), `ssdp_server` and `http_server`
(`soap_server`). `quirk_points` defines where a quirk can change the behavior, the `*_quirks` modules
define the quirks, and `profiles` combines them into models of routers.
"""
