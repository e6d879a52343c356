"""Fuzz the whole PCP and NAT-PMP clients with a gateway on loopback whose answers mutate."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Iterator
from typing import Any

import attrs
from harness import fuzz, instrumented

from portmapper.api.backend import Backend, Gateway, Target
from portmapper.api.errors import BackendError
from portmapper.api.model import ConflictPolicy, MapRequest, Protocol, TableEntry

with instrumented():
    from portmapper.gateways.calls import read_external_address, request_lease
    from portmapper_pcp import nat_pmp, pcp
    from portmapper_pcp.backends import NatPmpBackend, PcpBackend

LIMIT = 20.0
"""Seconds for one input; no answer may make the client wait longer."""

BETWEEN = b"\n====\n"
"""Separates the answers in an input; the gateway sends one for each request, and begins again at the end."""

PCP, NAT_PMP = b"\0", b"\1"
"""The first byte of an input chooses the client by its lowest bit; the rest is the answers."""

BACKENDS: tuple[type[Backend], type[Backend]] = (PcpBackend, NatPmpBackend)

HERE = ipaddress.IPv4Address("127.0.0.1")
NONCE = b"x" * 12
REQUEST = MapRequest(Protocol.TCP, HERE, 8080, 8080, 3600, "portmapper", NONCE)


def _pcp(opcode: str, lifetime: int, result: int = 0, body: str = "") -> bytes:
    return bytes.fromhex(f"02{opcode}00{result:02x}{lifetime:08x}00000e10{'00' * 12}{body}")


def _granted(lifetime: int, port: int, result: int = 0) -> bytes:
    address = "00" * 10 + "ffffcb007107"
    return _pcp("81", lifetime, result, f"{NONCE.hex()}060000001f90{port:04x}{address}")


def _natpmp(opcode: str, rest: str, result: int = 0) -> bytes:
    return bytes.fromhex(f"00{opcode}{result:04x}00000e10{rest}")


ANNOUNCED = _pcp("80", 0)
ADDRESS = _natpmp("80", "cb007107")
MAPPED = _natpmp("82", "1f901f9000000e10")
SEEDS = [
    PCP + BETWEEN.join([ANNOUNCED, _granted(3600, 8080), _granted(3600, 8080), _granted(0, 0)]),
    PCP + BETWEEN.join([ANNOUNCED, _granted(30, 0, 5), _granted(120, 8081), _granted(0, 0, 2)]),
    PCP + BETWEEN.join([ANNOUNCED, _granted(1, 8080), _granted(2**32 - 1, 8080), _granted(9, 0, 11)]),
    PCP + _natpmp("80", "", 1),
    NAT_PMP + BETWEEN.join([ADDRESS, ADDRESS, MAPPED, MAPPED, _natpmp("82", "1f90000000000000")]),
    NAT_PMP + BETWEEN.join([ADDRESS, _natpmp("80", "00000000", 3), _natpmp("82", "1f90", 4), MAPPED]),
    NAT_PMP + _pcp("80", 0, 1),
]

_loop = asyncio.new_event_loop()


def _delays(*_: float, **__: object) -> Iterator[float]:
    """Send once and wait a millisecond: an answer that does not match must not cost eight seconds."""
    return iter((0.001,))


for module in (pcp, nat_pmp):
    vars(module)["delays"] = _delays


class Mutating(asyncio.DatagramProtocol):
    """A gateway that sends one answer after the other, whatever is asked."""

    answers: list[bytes]

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def begin(self, answers: list[bytes]) -> None:
        """Send these answers from now on."""
        self.answers = answers
        self._next = 0

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Send the next answer."""
        self.transport.sendto(self.answers[self._next % len(self.answers)], addr)
        self._next += 1


_transport, _gateway = _loop.run_until_complete(
    _loop.create_datagram_endpoint(Mutating, local_addr=(str(HERE), 0))
)
_target = Target(HERE, gateway=HERE, port=_transport.get_extra_info("sockname")[1], chosen=True)


def parse(data: bytes) -> None:
    """Let the client use a gateway that sends these answers; a fault of ours in a task fails, too."""
    faults: list[dict[str, object]] = []
    _loop.set_exception_handler(lambda _, context: faults.append(context))
    _gateway.begin(data[1:].split(BETWEEN))
    backend = BACKENDS[int.from_bytes(data[:1]) & 1]
    _loop.run_until_complete(asyncio.wait_for(_use(backend()), LIMIT))
    assert not faults, faults


async def _use(backend: Backend) -> None:
    try:
        async for gateway in backend.discover(_target):
            await _call(gateway)
            await gateway.close()
    finally:
        await backend.close()


async def _keep(_: TableEntry | None) -> bool:
    return False


async def _call(gateway: Gateway) -> None:
    """Open a port, renew it and close it; an error of one call does not end the others."""
    with contextlib.suppress(BackendError):
        await read_external_address(gateway)
    with contextlib.suppress(BackendError):
        lease = await request_lease(gateway, REQUEST, ConflictPolicy.OWN, _keep)
        assert 0 < lease.external_port <= 65535, lease
        with contextlib.suppress(BackendError):
            await request_lease(gateway, attrs.evolve(REQUEST, held=lease), ConflictPolicy.NEXT, _keep)
        await gateway.unmap(lease)


if __name__ == "__main__":
    logging.disable()
    fuzz(parse, SEEDS)
