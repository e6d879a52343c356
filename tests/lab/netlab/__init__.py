"""A real gateway in network namespaces, for tests that count only when the WAN host gets an answer.

`namespaces` makes the hosts and cables, `gateway` runs miniupnpd on nftables, `hosts` answers on the
LAN and asks from the WAN, `prober` keeps asking, `program` runs portmapper, `lab` puts them together.
"""
