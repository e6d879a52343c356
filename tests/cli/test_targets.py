"""Parsing of ports, and access to the daemon and the gateways."""

from __future__ import annotations

import argparse
import ipaddress
from pathlib import Path

import pytest

from portmapper.api.errors import UsageError
from portmapper.api.model import Protocol
from portmapper.cli.targets import call_daemon, directory_of, ports_of, targets_of
from portmapper.testing.harness import network_at

TCP, UDP = Protocol.TCP, Protocol.UDP


@pytest.mark.parametrize(
    ("texts", "ports"),
    [
        (["8080/tcp"], [(TCP, 8080)]),
        (["8080"], [(TCP, 8080)]),
        (["2722-2723/udp"], [(UDP, 2722), (UDP, 2723)]),
        (["53/both", "53/udp"], [(TCP, 53), (UDP, 53)]),
        (["Valheim"], [(UDP, 2456), (UDP, 2457)]),
    ],
    ids=["port", "default protocol", "range", "duplicate", "preset"],
)
def test_arguments_are_expanded_to_ports(texts: list[str], ports: list[tuple[Protocol, int]]) -> None:
    """A port that is given two times is kept only one time."""
    assert ports_of(texts) == ports


@pytest.mark.parametrize("text", ["any/tcp", "any", "8080/sctp", "0/tcp", "9-8/tcp"])
def test_an_invalid_port_is_a_usage_error(text: str) -> None:
    """`any` is not a port to close."""
    with pytest.raises(UsageError):
        ports_of([text])


def test_the_state_directory_is_absolute(workdir: Path) -> None:
    """A relative option is relative to the working directory."""
    assert directory_of(argparse.Namespace(state_dir=Path("state"))) == workdir / "state"
    assert directory_of(argparse.Namespace(state_dir=None)).is_absolute()


def test_without_a_daemon_there_is_no_answer(tmp_path: Path) -> None:
    """A missing control socket means that no daemon runs."""
    assert call_daemon(tmp_path, "open", []) is None


def test_without_the_option_the_default_gateway_is_searched() -> None:
    """The targets are those of the host's networks."""
    (target,) = targets_of(argparse.Namespace(gateway=[]), network_at("192.168.88.10/24"))
    assert (target.gateway, target.port) == (ipaddress.ip_address("192.168.88.1"), None)


def test_the_option_replaces_the_search() -> None:
    """It can have a port."""
    arguments = argparse.Namespace(gateway=["192.168.88.2:5999"])
    (target,) = targets_of(arguments, network_at("192.168.88.10/24"))
    assert (target.gateway, target.port) == (ipaddress.ip_address("192.168.88.2"), 5999)
    with pytest.raises(UsageError):
        targets_of(argparse.Namespace(gateway=["nowhere"]), network_at("192.168.88.10/24"))
