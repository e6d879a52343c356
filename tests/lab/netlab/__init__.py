"""A real gateway in network namespaces, for tests that connect from a WAN host.

`namespaces` creates hosts and cables, `gateway` runs miniupnpd on nftables, `hosts` answers on the LAN
and queries from the WAN, `prober` records outages, `program` runs portmapper, `lab` combines them.
"""
