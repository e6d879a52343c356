"""A RouterOS router as a gateway, with one rule for each mapping."""

from __future__ import annotations

import ipaddress
import random
import re
from collections.abc import Iterator, Sequence

from portmapper.api import (
    ANY_PORT,
    Conflict,
    Gateway,
    IPAddress,
    Lease,
    ListsMappings,
    MapRequest,
    MapsOtherHosts,
    NetworkFailure,
    NotAuthorized,
    Protocol,
    TableEntry,
    VerifiesLeases,
)
from portmapper_routeros import rules
from portmapper_routeros.rest import Item, NotFound, Router
from portmapper_routeros.rules import WAN_LIST, WanSide

_NAT = "ip/firewall/nat"
_RANDOM_PORTS = 8
_ID = re.compile(r"\*[0-9A-Fa-f]{1,16}")
_Port = tuple[Protocol, int]


class RouterOsGateway(Gateway, ListsMappings, VerifiesLeases, MapsOtherHosts):
    """A router that portmapper manages with its own user account."""

    backend = "routeros"

    def __init__(
        self, router: Router, interface: str, address: IPAddress, local: IPAddress, about: Item
    ) -> None:
        self.address = address
        self.local_address = local
        version = about.get("version", "").partition(" ")[0]
        self.protocol = f"RouterOS {version}"[:40].strip()
        self.model = about.get("board-name", "")[:120]
        self._router = router
        self._interface = interface

    async def map(self, request: MapRequest) -> Lease:
        """Add the rule, or change the existing one to match the request. It never expires."""
        async with self._router.lock:
            wan = await self._wan_side()
            table = await self._table(wan)
            port = self._choose_port(request, table)
            await self._write_rule(request, port, table, wan)
        return self.lease(
            request, external_port=port, lifetime=0, external_address=await self._wan_address(wan)
        )

    async def unmap(self, lease: Lease) -> None:
        """Remove portmapper's rules for this lease, and no others."""
        async with self._router.lock:
            for rule in await self._rules():
                if rules.is_ours(rule) and _leads_to(rule, lease):
                    await self._router.remove(_NAT, _rule_id(rule))

    async def external_address(self) -> IPAddress | None:
        """Return the WAN interface's address, or the one that the router's cloud service reports."""
        return await self._wan_address(await self._wan_side())

    async def holds(self, lease: Lease) -> bool:
        """Return whether portmapper's rule exists, is enabled, and no earlier rule takes its packets."""
        for rule in await self._table(await self._wan_side()):
            if rules.takes(rule, lease.protocol, lease.external_port):
                return rules.is_ours(rule) and _leads_to(rule, lease)
        return False

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return an entry for each enabled rule that opens a single port."""
        found = (rules.entry(rule) for rule in await self._rules() if rules.is_enabled(rule))
        return [entry for entry in found if entry is not None]

    async def _rules(self) -> list[Item]:
        return await self._router.items(_NAT, chain="dstnat")

    async def _table(self, wan: WanSide) -> list[Item]:
        return [rule for rule in await self._rules() if wan.sees(rule)]

    async def _wan_side(self) -> WanSide:
        lists: dict[str, set[str]] = {}
        for member in await self._router.items("interface/list/member"):
            lists.setdefault(member.get("list", ""), set()).add(member.get("interface", ""))
        members = {self._interface} if self._interface else lists.get(WAN_LIST, set())
        return WanSide(self._interface, members, lists)

    def _choose_port(self, request: MapRequest, table: Sequence[Item]) -> int:
        """Return the first port that is free or held by our rule.

        Raises:
            Conflict: the request allows no such port.
        """
        conflict: Conflict | None = None
        for port in _candidates(request):
            holder = _holder(request, port, table)
            if holder is None:
                return port
            conflict = conflict or _conflict(request.protocol, port, holder)
        assert conflict is not None
        raise conflict

    async def _write_rule(self, request: MapRequest, port: int, table: Sequence[Item], wan: WanSide) -> None:
        desired = rules.desired_rule(request, port, wan)
        ours = [rule for rule in table if rules.is_ours(rule) and _is_rule_of(rule, request.protocol, port)]
        if not ours:
            _check(await self._router.add(_NAT, desired), desired)
            return
        first, *duplicates = ours
        if not rules.is_enabled(first):
            raise NotAuthorized(
                f"portmapper's rule for port {port}/{request.protocol} was disabled on the router"
            )
        if any(first.get(key, "") != value for key, value in desired.items()):
            _check(await self._router.change(_NAT, _rule_id(first), desired), desired)
        for rule in duplicates:
            await self._router.remove(_NAT, _rule_id(rule))

    async def _wan_address(self, wan: WanSide) -> IPAddress | None:
        for item in await self._router.items("ip/address", disabled="false"):
            interfaces = {item.get("actual-interface", ""), item.get("interface", "")}
            if not interfaces.isdisjoint(wan.members) and item.get("invalid") != "true":
                return _address(item.get("address", "").partition("/")[0])
        try:
            return _address((await self._router.item("ip/cloud")).get("public-address", ""))
        except NotFound:
            return None  # a router without the cloud service


def _candidates(request: MapRequest) -> Iterator[int]:
    held = request.held
    desired = request.external_port
    if desired == ANY_PORT:
        desired = held.external_port if held is not None else request.internal_port
    yield desired
    if not request.exact:
        yield from (port for port in (desired + 1, desired + 2) if port <= 65535)
        yield from random.sample(range(49152, 65536), _RANDOM_PORTS)


def _holder(request: MapRequest, port: int, table: Sequence[Item]) -> Item | None:
    """Return the rule that holds the port, except our own rule that leads, or led, to this host."""
    for rule in table:
        if rules.takes(rule, request.protocol, port) and not _may_change(rule, request, port):
            return rule
    return None


def _may_change(rule: Item, request: MapRequest, port: int) -> bool:
    if not (rules.is_ours(rule) and _is_rule_of(rule, request.protocol, port)):
        return False
    led_here = {request.internal_address}
    if request.held is not None and request.held.external_port == port:
        led_here.add(request.held.internal_address)
    return request.replace or rules.destination(rule) in led_here


def _is_rule_of(rule: Item, protocol: Protocol, port: int) -> bool:
    return (rule.get("protocol"), rule.get("dst-port")) == (protocol.lower(), str(port))


def _leads_to(rule: Item, lease: Lease) -> bool:
    inside = (str(lease.internal_address), str(lease.internal_port))
    same = (rule.get("to-addresses"), rule.get("to-ports")) == inside
    return same and _is_rule_of(rule, lease.protocol, lease.external_port)


def _conflict(protocol: Protocol, port: int, rule: Item) -> Conflict:
    holder = TableEntry(protocol, port, rules.destination(rule), comment=rule.get("comment", ""))
    who = f"{rules.destination(rule) or 'another rule'}"
    return Conflict(f"external port {port}/{protocol} is held by {who}", holder=holder)


def _rule_id(rule: Item) -> str:
    number = rule.get(".id", "")
    if not _ID.fullmatch(number):
        raise NetworkFailure("the router's rule has no valid .id")
    return number


def _check(made: Item, desired: Item) -> None:
    """Verify that the router created the requested rule."""
    if any(made.get(key) != desired[key] for key in ("protocol", "dst-port", "to-addresses", "to-ports")):
        raise NetworkFailure("the router created another rule than the requested one")


def _address(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
