"""The command `portmapper simulate`, which runs the embedded gateway."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import sys
from typing import TYPE_CHECKING

from portmapper.api import Command, UsageError
from portmapper.support.fitted import fitted, width_of

if TYPE_CHECKING:
    from portmapper_simulator.gateway import EmbeddedGateway
    from portmapper_simulator.settings import Settings

PCP_PORT, HTTP_PORT, SSDP_PORT = 5351, 5000, 1900
PORTS = {"pcp_port": PCP_PORT, "http_port": HTTP_PORT, "ssdp_port": SSDP_PORT}
UDP_TITLES = {"pcp": "PCP", "natpmp": "NAT-PMP"}


class SimulateCommand(Command):
    """Runs a software gateway until it is stopped."""

    name = "simulate"
    help = "run a software NAT gateway for tests, without a router or root"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--host", default="127.0.0.1", metavar="ADDR", help="internal address (%(default)s)"
        )
        for option, port in PORTS.items():
            name = f"--{option.replace('_', '-')}"
            parser.add_argument(name, type=int, default=port, metavar="N", help="default %(default)s; 0: any")
        parser.add_argument(
            "--external-host",
            default="127.0.0.2",
            metavar="ADDR",
            help="address to open external ports on (%(default)s)",
        )
        parser.add_argument(
            "--external-address", metavar="ADDR", help="external address to report (11.22.33.44)"
        )
        parser.add_argument("--profile", default="plain", help="behave like this router model (%(default)s)")
        parser.add_argument(
            "--quirk", action="append", default=[], metavar="NAME[,NAME]", help="add a quirk; repeatable"
        )
        parser.add_argument("--list", action="store_true", help="list the profiles and quirks, and exit")
        parser.add_argument("--json", action="store_true", help="print the addresses as one line of JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Run until SIGINT or SIGTERM. Raises `PortmapperError` if a port is in use."""
        import asyncio
        import logging

        from portmapper_simulator.listing import print_listing

        if arguments.list:
            print_listing(as_json=arguments.json)
            return 0
        settings = read_settings(arguments)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
        asyncio.run(_simulate(settings, arguments))
        return 0


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Turn the options into settings. Raises `UsageError` for an invalid option."""
    import attrs

    from portmapper_simulator.profiles import PROFILES, settings_of
    from portmapper_simulator.quirks import QUIRKS

    quirks = {name.strip() for word in arguments.quirk for name in word.split(",") if name.strip()}
    for name in sorted(quirks - QUIRKS.keys()):
        raise _unknown("quirk", name, list(QUIRKS))
    if arguments.profile not in PROFILES:
        raise _unknown("profile", arguments.profile, list(PROFILES))
    for option in PORTS:
        if not 0 <= getattr(arguments, option) <= 65535:
            raise UsageError(f"--{option.replace('_', '-')}: {getattr(arguments, option)} is not a port")
    settings = settings_of(arguments.profile, quirks)
    chosen = {
        name: getattr(arguments, name) for name in (*PORTS, "host", "external_host", "external_address")
    }
    for name in ("host", "external_host", "external_address"):
        if chosen[name] is not None and not _is_ipv4(chosen[name]):
            raise UsageError(f"--{name.replace('_', '-')}: {chosen[name]!r} is not an IPv4 address")
    # It announces its start, so its clock must begin there, too.
    settings = attrs.evolve(settings, uptime=0)
    return attrs.evolve(settings, **{name: value for name, value in chosen.items() if value is not None})


async def _simulate(settings: Settings, arguments: argparse.Namespace) -> None:
    import asyncio
    import signal

    from portmapper_simulator.gateway import EmbeddedGateway

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not available on Windows
            loop.add_signal_handler(number, stopped.set)
    _allow_many_files()
    async with EmbeddedGateway(settings) as gateway:
        addresses = _addresses(gateway, arguments.profile)
        greeting = fitted(_greeting(gateway), width_of(sys.stdout))
        print(json.dumps(addresses) if arguments.json else greeting, flush=True)
        gateway.announce()  # clients of an earlier run on the same ports have lost their mappings
        await stopped.wait()


def _allow_many_files() -> None:
    """Raise the limit on open files to its maximum, because every mapping needs an open port."""
    with contextlib.suppress(ImportError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _addresses(gateway: EmbeddedGateway, profile: str) -> dict[str, object]:
    settings = gateway.settings
    return {
        "host": settings.host,
        "pcp_port": gateway.pcp_port,
        "http_port": gateway.http_port,
        "ssdp_port": gateway.ssdp_port,
        "location": gateway.location,
        "external_host": settings.external_host,
        "external_address": settings.external_address,
        "profile": profile,
        "quirks": sorted(settings.quirks),
    }


def _greeting(gateway: EmbeddedGateway) -> str:
    settings = gateway.settings
    udp = ", ".join(title for name, title in UDP_TITLES.items() if name in settings.protocols)
    lines = [f"Gateway at {settings.host}, external ports on {settings.external_host}. To use it, run:"]
    if gateway.pcp_port:
        lines.append(f"  {udp:<12}  portmapper run --gateway {settings.host}:{gateway.pcp_port} ports.csv")
    if gateway.location:
        lines.append(f"  UPnP          portmapper run --gateway {gateway.location} ports.csv")
    return "\n".join([*lines, "Press Ctrl-C to stop."])


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _unknown(kind: str, name: str, known: list[str]) -> UsageError:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; 'portmapper simulate --list' shows every {kind}"
    return UsageError(f"unknown {kind} {name!r}{hint}")
