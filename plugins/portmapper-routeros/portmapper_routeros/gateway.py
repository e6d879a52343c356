"""One RouterOS router as a gateway: a rule for each mapping."""

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
from portmapper_routeros.rest import Item, Missing, Router
from portmapper_routeros.rules import OUTSIDE_LIST, Outside

_NAT = "ip/firewall/nat"
_OTHER_PORTS = 8
_ID = re.compile(r"\*[0-9A-Fa-f]{1,16}")
_Port = tuple[Protocol, int]


class RouterOsGateway(Gateway, ListsMappings, VerifiesLeases, MapsOtherHosts):
    """A router whose administrator gave us a user."""

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
        """Add the rule, or bring ours into line with what is asked. It is in force until removed."""
        async with self._router.lock:
            outside = await self._outside()
            table = await self._table(outside)
            port = self._choose(request, table)
            await self._settle(request, port, table, outside)
        return Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=port,
            external_address=await self._address_of(outside),
            lifetime=0,
            permanent=True,
            backend=self.backend,
            gateway=self.identity,
            token=request.token,
        )

    async def unmap(self, lease: Lease) -> None:
        """Remove our rules of this lease, and no others."""
        async with self._router.lock:
            for rule in await self._rules():
                if rules.is_ours(rule) and _leads_to(rule, lease):
                    await self._router.remove(_NAT, _number(rule))

    async def external_address(self) -> IPAddress | None:
        """Tell the address of the outside interface, or what the router's cloud service sees."""
        return await self._address_of(await self._outside())

    async def holds(self, lease: Lease) -> bool:
        """Tell whether our rule is there and enabled, and no rule before it takes its packets."""
        for rule in await self._table(await self._outside()):
            if rules.takes(rule, lease.protocol, lease.external_port):
                return rules.is_ours(rule) and _leads_to(rule, lease)
        return False

    async def list_mappings(self) -> Sequence[TableEntry]:
        """Return each enabled rule that opens one port."""
        found = (rules.entry(rule) for rule in await self._rules() if rules.is_enabled(rule))
        return [entry for entry in found if entry is not None]

    async def _rules(self) -> list[Item]:
        return await self._router.items(_NAT, chain="dstnat")

    async def _table(self, outside: Outside) -> list[Item]:
        return [rule for rule in await self._rules() if outside.sees(rule)]

    async def _outside(self) -> Outside:
        lists: dict[str, set[str]] = {}
        for member in await self._router.items("interface/list/member"):
            lists.setdefault(member.get("list", ""), set()).add(member.get("interface", ""))
        members = {self._interface} if self._interface else lists.get(OUTSIDE_LIST, set())
        return Outside(self._interface, members, lists)

    def _choose(self, request: MapRequest, table: Sequence[Item]) -> int:
        """Return the first port that is free or ours.

        Raises:
            Conflict: there is none among those that the request lets us try.
        """
        conflict: Conflict | None = None
        for port in _candidates(request):
            holder = _holder(request, port, table)
            if holder is None:
                return port
            conflict = conflict or _conflict(request.protocol, port, holder)
        assert conflict is not None
        raise conflict

    async def _settle(self, request: MapRequest, port: int, table: Sequence[Item], outside: Outside) -> None:
        desired = rules.wanted_rule(request, port, outside)
        same = [rule for rule in table if rules.is_ours(rule) and _is_rule_of(rule, request.protocol, port)]
        if not same:
            _check(await self._router.add(_NAT, desired), desired)
            return
        first, *others = same
        if not rules.is_enabled(first):
            raise NotAuthorized(f"our rule for port {port}/{request.protocol} was disabled on the router")
        if any(first.get(key, "") != value for key, value in desired.items()):
            _check(await self._router.change(_NAT, _number(first), desired), desired)
        for rule in others:
            await self._router.remove(_NAT, _number(rule))

    async def _address_of(self, outside: Outside) -> IPAddress | None:
        for item in await self._router.items("ip/address", disabled="false"):
            used = {item.get("actual-interface", ""), item.get("interface", "")}
            if not used.isdisjoint(outside.members) and item.get("invalid") != "true":
                return _address(item.get("address", "").partition("/")[0])
        try:
            return _address((await self._router.item("ip/cloud")).get("public-address", ""))
        except Missing:
            return None  # a router without the cloud service


def _candidates(request: MapRequest) -> Iterator[int]:
    held = request.held
    desired = request.external_port
    if desired == ANY_PORT:
        desired = held.external_port if held is not None else request.internal_port
    yield desired
    if not request.exact:
        yield from (port for port in (desired + 1, desired + 2) if port <= 65535)
        yield from random.sample(range(49152, 65536), _OTHER_PORTS)


def _holder(request: MapRequest, port: int, table: Sequence[Item]) -> Item | None:
    """Return the rule that keeps the port from us: any but ours that leads, or led, to this host."""
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


def _number(rule: Item) -> str:
    number = rule.get(".id", "")
    if not _ID.fullmatch(number):
        raise NetworkFailure("the router's rule has no valid .id")
    return number


def _check(made: Item, desired: Item) -> None:
    """Believe the router only what it says it made."""
    if any(made.get(key) != desired[key] for key in ("protocol", "dst-port", "to-addresses", "to-ports")):
        raise NetworkFailure("the router made another rule than the one asked for")


def _address(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
