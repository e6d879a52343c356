"""Network faults between two hosts, made with nftables."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator

from netlab.namespaces import Namespace

GATEWAY_PORTS = "{ 1900, 5000, 5351 }"

MULTICAST = "ip daddr 224.0.0.0/4"

FROM_GATEWAY = "ip saddr 192.168.88.1"

_numbers = itertools.count()
"""Numbers for table names, so that two faults can be active at the same time."""


def dropping(host: Namespace, what: str, *, percent: int = 100) -> contextlib.AbstractContextManager[None]:
    """Drop matching incoming packets of a host.

    Below 100, `percent` of them are dropped at random.
    """
    share = "" if percent == 100 else f"numgen random mod 100 < {percent} "
    return _input_rule(host, f"{what} {share}drop")


def refusing(host: Namespace, what: str) -> contextlib.AbstractContextManager[None]:
    """Answer matching packets as a host does on whose port nothing listens."""
    return _input_rule(host, f"{what} reject")


@contextlib.contextmanager
def _input_rule(host: Namespace, rule: str) -> Iterator[None]:
    chain = f"chain input {{ type filter hook input priority -5; {rule}; }}\n"
    table = f"lossy{next(_numbers)}"
    host.run("nft", "-f", "-", stdin=f"table inet {table} {{\n{chain}}}\n")
    try:
        yield
    finally:
        host.run("nft", "delete", "table", "inet", table)


@contextlib.contextmanager
def without_multicast(host: Namespace) -> Iterator[None]:
    """Drop all multicast to a host, so that every announcement is lost."""
    with dropping(host, MULTICAST):
        yield


@contextlib.contextmanager
def packet_loss(near: Namespace, gateway: Namespace, percent: int) -> Iterator[None]:
    """Drop a share of the packets between a host and the gateway, in both directions."""
    with (
        dropping(near, FROM_GATEWAY, percent=percent),
        dropping(gateway, 'iifname "lan0"', percent=percent),
    ):
        yield


class Counter:
    """Counts packets from a host to the gateway's own ports."""

    def __init__(self, host: Namespace) -> None:
        self._host = host

    def __enter__(self) -> Counter:
        rule = (
            f"chain output {{ type filter hook output priority -10; "
            f"meta l4proto {{ tcp, udp }} th dport {GATEWAY_PORTS} counter; }}\n"
        )
        self._host.run("nft", "-f", "-", stdin=f"table inet counting {{\n{rule}}}\n")
        return self

    def __exit__(self, *exception: object) -> None:
        self._host.run("nft", "delete", "table", "inet", "counting")

    @property
    def packets(self) -> int:
        """Number of packets so far."""
        listed = json.loads(self._host.run("nft", "-j", "list", "chain", "inet", "counting", "output"))
        rules = [item["rule"] for item in listed["nftables"] if "rule" in item]
        return int(next(part["counter"]["packets"] for part in rules[0]["expr"] if "counter" in part))
