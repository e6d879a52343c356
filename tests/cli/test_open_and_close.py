"""`portmapper open` and `close` play together, with a daemon and without one."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest


def states(document: str) -> list[tuple[int, str, str]]:
    """Return port, state and source of each mapping of a status document."""
    mappings = json.loads(document)["mappings"]
    return [(m["wanted_external_port"], m["state"], m["source"]) for m in mappings]


def test_without_a_daemon_ports_are_opened_and_closed(program: Any, gateway: Any) -> None:
    """The lease is in the store, with the source `command line`."""
    done = program.run("open", "2722-2723/udp", "--lifetime", "600", "--json", *gateway.options)
    assert (done.status, done.errors) == (0, "")
    assert states(done.output) == [(2722, "active", "command line"), (2723, "active", "command line")]
    assert gateway.ports() == {2722, 2723}
    assert program.run("close", "2722/udp", "99/tcp", *gateway.options).output.splitlines() == [
        "2722/udp is closed",
        "99/tcp is not open",
    ]
    assert gateway.ports() == {2723}
    assert [port for port, _, _ in states(program.run("status", "--json").output)] == [2723]


def test_close_and_list_need_no_option_of_open(program: Any, upnp_gateway: Any) -> None:
    """They find the gateway of a lease where it was, although no search reaches it."""
    program.run("open", "8080/tcp", *upnp_gateway.options)
    assert "8080/tcp" in program.run("list", *upnp_gateway.options[2:]).output
    done = program.run("close", "8080/tcp", *upnp_gateway.options[2:])
    assert (done.status, done.output) == (0, "8080/tcp is closed\n")
    assert upnp_gateway.ports() == set()


def test_another_port_inside_is_named_by_to(program: Any, gateway: Any) -> None:
    """A port alone means this host."""
    done = program.run("open", "8080/tcp", "--to", ":80", "--json", *gateway.options)
    (mapping,) = json.loads(done.output)["mappings"]
    assert (mapping["internal_port"], mapping["external_port"]) == (80, 8080)


def test_without_a_gateway_open_ends_with_3(program: Any, silence: Any) -> None:
    """Nothing is asked for later."""
    done = program.run("open", "8080/tcp", *silence, "--backend", "pcp")
    assert done.status == 3
    assert "no gateway answered" in done.errors
    assert "Traceback" not in done.errors


def test_without_a_gateway_close_says_what_to_do(program: Any, silence: Any) -> None:
    """The message names doctor."""
    done = program.run("close", "8080/tcp", *silence, "--backend", "pcp")
    assert done.status == 3
    assert "no gateway answered; run 'portmapper doctor' to find out why" in done.errors


@pytest.mark.parametrize(
    "words",
    [
        ("open",),
        ("open", "8080:"),
        ("open", "minecarft"),
        ("open", "0/tcp"),
        ("open", "any/tcp"),
        ("open", "1/tcp", "--to", "x"),
        ("open", "1/tcp", "--to", "10.0.0.1:99999"),
        ("open", "1/tcp", "--lifetime", "-1"),
        ("close",),
        ("close", "any/tcp"),
        ("close", "1/tcp", "--stale"),
        ("close", "1/tcp", "--yes"),
    ],
)
def test_wrong_words_are_a_usage_error(program: Any, words: tuple[str, ...]) -> None:
    """Exit status 2, and no traceback."""
    done = program.run(*words)
    assert (done.status, done.output) == (2, "")
    assert "Traceback" not in done.errors


def test_a_daemon_keeps_ad_hoc_mappings_across_its_restart(program: Any, gateway: Any, ports: Path) -> None:
    """A one-pass run does not close the port, and `close` does not close a port that the list has."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        done = program.run("open", "9000/tcp", *gateway.options, "--json")
        assert (done.status, states(done.output)) == (0, [(9000, "active", "command line")])
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    assert program.run("run", "--oneshot", *gateway.options, str(ports)).status == 0
    assert gateway.ports() == {8080, 9000}
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        daemon.until(lambda: all(s == "active" for _, s, _ in status(program)), "open")
        assert {port for port, _, _ in status(program)} == {8080, 9000}
        closed = program.run("close", "9000/tcp")
        assert (closed.status, closed.output) == (0, "9000/tcp is closed\n")
        assert gateway.ports() == {8080}
        listed = program.run("close", "8080/tcp")
        assert (listed.status, gateway.ports()) == (1, {8080})
        assert f"{ports} lists it" in listed.errors


def test_ad_hoc_mappings_are_closed_on_exit_too(program: Any, gateway: Any, ports: Path) -> None:
    """`--close-ports-on-exit` applies to them as to the list."""
    with program.running("run", "--close-ports-on-exit", *gateway.options, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        assert program.run("open", "9000/tcp").status == 0
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    assert gateway.ports() == set()


def test_a_daemon_adopts_ports_opened_before_it(program: Any, gateway: Any, ports: Path) -> None:
    """The lease has not expired, and no command closed it."""
    assert program.run("open", "9000/tcp", *gateway.options).status == 0
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        daemon.until(lambda: all(s == "active" for _, s, _ in status(program)), "open")
        assert {port for port, _, _ in status(program)} == {8080, 9000}


def status(program: Any) -> list[tuple[int, str, str]]:
    """Return the daemon's mappings."""
    return states(program.run("status", "--json").output)


def test_close_names_the_port_that_stays_open_over_udp(program: Any, gateway: Any) -> None:
    """A number without a protocol is TCP; a written protocol needs no hint."""
    assert program.run("open", "27015/both", *gateway.options).status == 0
    done = program.run("close", "27015", *gateway.options)
    assert (done.status, done.output) == (0, "27015/tcp is closed\n")
    assert done.errors.startswith("portmapper: 27015/udp is still open. To close it: portmapper close ")
    assert done.errors.endswith(" 27015/udp\n")
    again = program.run("close", "27015/tcp", *gateway.options)
    assert (again.output, again.errors) == ("27015/tcp is not open\n", "")


def test_any_needs_the_port_of_the_program(program: Any) -> None:
    """The gateway chooses only the external port."""
    done = program.run("open", "any")
    assert (done.status, done.errors) == (
        2,
        "portmapper: 'any' needs the port on which your program listens; for example: "
        "portmapper open any:8080\n",
    )
