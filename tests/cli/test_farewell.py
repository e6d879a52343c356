"""The last words of `run`."""

from __future__ import annotations

import argparse

import pytest
from status_documents import RUNNING, forty_one, mapping, problem

from portmapper.cli.farewell import farewell, options_of_close


def test_the_end_and_the_command_are_shown() -> None:
    """Only open ports are named."""
    document = {**RUNNING, "mappings": [mapping(8080), mapping(53, protocol="UDP"), problem(9000)]}
    first, second, third = farewell(document, [])
    assert first.startswith("2 ports stay open until 20")
    assert second == "Nothing renews them now. To close them:"
    assert third == "  portmapper close 8080/tcp 53/udp"


def test_many_ports_are_closed_by_their_list() -> None:
    """The state directory that the user named is part of the command."""
    lists = ["/etc/portmapper/ports.csv"]
    command = farewell(forty_one(), ["--state-dir", "/srv/my state"], lists)[-1]
    assert command.endswith(
        "portmapper run --only-close-ports --state-dir '/srv/my state' /etc/portmapper/ports.csv"
    )


@pytest.mark.parametrize("lists", [[], ["-"], ["other.csv"]])
def test_ports_of_a_list_that_cannot_be_named_are_closed_one_by_one(lists: list[str]) -> None:
    """They come from the environment, the settings, standard input, or `open`; the command is short."""
    document = {**RUNNING, "mappings": [mapping(port) for port in (*range(8000, 8010), 9000)]}
    assert farewell(document, [], lists)[-1] == "  portmapper close 8000-8009/tcp 9000/tcp"


def test_a_permanent_lease_stays_until_it_is_closed() -> None:
    """It has no end."""
    document = {**RUNNING, "mappings": [mapping(8080, permanent=True, expires_at=None)]}
    assert farewell(document, [])[0].startswith("1 port stays open until it is closed")


def test_without_an_open_port_nothing_is_said() -> None:
    """Nothing has to be closed."""
    assert farewell({**RUNNING, "mappings": [problem(9000)]}, []) == []


def test_the_command_closes_what_this_run_opened() -> None:
    """It names the settings and the gateways of the run."""
    given = argparse.Namespace(config="my.toml", state_dir=None, gateway=["192.168.88.1"])
    document = {**RUNNING, "mappings": [mapping(8080)]}
    command = farewell(document, options_of_close(given))[-1]
    assert command == "  portmapper close --config my.toml --gateway 192.168.88.1 8080/tcp"
