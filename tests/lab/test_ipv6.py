"""IPv4 mappings and IPv6 pinholes from one row, and changes of the host's addresses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from netlab.dual_stack import DUAL_STACK_PCP, HOST_PART, NEXT_PREFIX, PREFIX, DualStack
from netlab.lab import LAN_HOST
from netlab.program import Program

PORT = 8080


@pytest.fixture
def program(dual_stack: DualStack, tmp_path: Path) -> Program:
    """portmapper on the LAN host of the dual-stack lab."""
    return Program(dual_stack.lab.lan, tmp_path)


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    """One row for both families."""
    file = tmp_path / "ports.csv"
    file.write_text(f"port;protocol;family;comment\n{PORT};TCP;both;web\n")
    return file


def by_family(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the mappings of a status document by family, one for each."""
    mappings = {mapping["family"]: mapping for mapping in document["mappings"]}
    assert len(mappings) == len(document["mappings"])
    return mappings


def test_one_row_opens_both_families_over_pcp(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """A pinhole has the same external and internal endpoint; both mappings answer, and both are closed."""
    state = ("--state-dir", str(tmp_path / "state"))
    finished = program.run("run", "--oneshot", "--json", "--backend", "pcp", *state, str(ports))
    assert finished.status == 0, finished.errors
    found = by_family(finished.json())
    assert (found["ipv4"]["state"], found["ipv4"]["internal_address"]) == ("active", LAN_HOST)
    pinhole = found["ipv6"]
    assert (pinhole["state"], pinhole["backend"]) == ("active", "pcp")
    assert pinhole["internal_address"] == pinhole["external_address"] == dual_stack.host
    assert pinhole["internal_port"] == pinhole["external_port"] == PORT
    assert dual_stack.lab.reaches("TCP", PORT)
    assert dual_stack.reaches("TCP", PORT)
    closed = program.run("run", "--only-close-ports", "--backend", "pcp", *state, str(ports))
    assert closed.status == 0, closed.errors
    assert dual_stack.query_from_wan("TCP", PORT) is None
    assert dual_stack.lab.query_from_wan("TCP", PORT) is None


FOLLOWED = 2.0
"""Seconds within which a pinhole follows a new prefix."""


def test_a_pinhole_follows_a_new_prefix(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """The host answers on the new prefix, and the pinhole of the deprecated one is closed."""
    renumbered = NEXT_PREFIX + HOST_PART
    with program.running(
        "run", "--state-dir", str(tmp_path / "state"), str(ports), log=tmp_path / "log"
    ) as run:
        run.until(lambda: dual_stack.reaches("TCP", PORT), "open")
        changed = time.monotonic()
        dual_stack.give(dual_stack.lab.lan, renumbered)
        dual_stack.deprecate(dual_stack.lab.lan, dual_stack.host)
        run.until(lambda: dual_stack.reaches("TCP", PORT, renumbered), "following")
        assert time.monotonic() - changed < FOLLOWED
        run.until(lambda: dual_stack.query_from_wan("TCP", PORT) is None, "closing the old pinhole")
        status = program.run("status", "--json", "--state-dir", str(tmp_path / "state"))
        pinhole = by_family(status.json())["ipv6"]
        assert (pinhole["state"], pinhole["internal_address"]) == ("active", renumbered)
        assert dual_stack.lab.reaches("TCP", PORT)


def test_a_pinhole_follows_a_new_prefix_without_the_old_one(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """After a reboot of the router, requests from the old address are no longer possible."""
    renumbered = NEXT_PREFIX + HOST_PART
    with program.running(
        "run", "--state-dir", str(tmp_path / "state"), str(ports), log=tmp_path / "log"
    ) as run:
        run.until(lambda: dual_stack.reaches("TCP", PORT), "open")
        changed = time.monotonic()
        dual_stack.take(dual_stack.lab.lan, dual_stack.host)
        dual_stack.give(dual_stack.lab.lan, renumbered)
        run.until(lambda: dual_stack.reaches("TCP", PORT, renumbered), "following")
        assert time.monotonic() - changed < FOLLOWED
        run.until(lambda: not dual_stack.has_pinhole(dual_stack.host), "closing the old pinhole")


def test_stable_addresses_have_pinholes_and_temporary_ones_do_not(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """A second stable address is a separate entry."""
    second, temporary = NEXT_PREFIX + HOST_PART, NEXT_PREFIX + "7"
    dual_stack.give(dual_stack.lab.lan, second)
    dual_stack.give(dual_stack.lab.lan, temporary)
    dual_stack.deprecate(dual_stack.lab.lan, temporary)
    finished = program.run("run", "--oneshot", "--json", "--state-dir", str(tmp_path / "state"), str(ports))
    assert finished.status == 0, finished.errors
    pinholes = [mapping for mapping in finished.json()["mappings"] if mapping["family"] == "ipv6"]
    assert {mapping["internal_address"] for mapping in pinholes} == {dual_stack.host, second}
    assert all(dual_stack.reaches("TCP", PORT, address) for address in (dual_stack.host, second))
    assert dual_stack.query_from_wan("TCP", PORT, temporary) is None


def test_pinholes_are_reopened_after_a_gateway_restart(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """The gateway announces itself on ff02::1 from its link-local address."""
    gateway = dual_stack.lab.gateway
    with program.running(
        "run", "--state-dir", str(tmp_path / "state"), str(ports), log=tmp_path / "log"
    ) as run:
        run.until(lambda: dual_stack.reaches("TCP", PORT), "open")
        gateway.restart()
        run.until(lambda: dual_stack.reaches("TCP", PORT), "open again")
        run.until(lambda: dual_stack.lab.reaches("TCP", PORT), "open again over IPv4")
        assert "fe80::1%eth0" in "".join(line for line in run.log.splitlines() if "restarted" in line)


@pytest.mark.parametrize("named", ["[fe80::1%eth0]", "2001:db8:88::1", "[2001:db8:88::1]:5351"])
def test_requests_to_a_chosen_gateway_come_from_a_stable_address(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path, named: str
) -> None:
    """The gateway is link-local with a zone, or global; IPv4 then has no gateway and reports it."""
    state = ("--state-dir", str(tmp_path / "state"))
    finished = program.run("run", "--oneshot", "--json", "--gateway", named, *state, str(ports))
    assert finished.status == 1, finished.errors
    found = by_family(finished.json())
    assert (found["ipv6"]["state"], found["ipv6"]["internal_address"]) == ("active", dual_stack.host)
    assert (found["ipv4"]["state"], found["ipv4"]["error"]) == ("pending", "no IPv4 gateway is named")
    assert dual_stack.reaches("TCP", PORT)


def test_a_host_with_ipv6_only(dual_stack: DualStack, ports: Path, tmp_path: Path) -> None:
    """It gets a pinhole, and the mapping waits for an IPv4 address."""
    lan = dual_stack.lab.topology.add("six")
    dual_stack.plug_in(lan, "six")
    dual_stack.give(lan, f"{PREFIX}6")
    finished = Program(lan, tmp_path).run(
        "run", "--oneshot", "--json", "--state-dir", str(tmp_path / "state"), str(ports)
    )
    found = by_family(finished.json())
    assert (found["ipv6"]["state"], found["ipv6"]["internal_address"]) == ("active", f"{PREFIX}6")
    assert (found["ipv4"]["state"], found["ipv4"]["error"]) == ("pending", "this host has no IPv4 address")
    assert finished.status == 1


@pytest.mark.parametrize("way", ["close", "only-close-ports"])
def test_pinholes_of_all_addresses_are_closed(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path, way: str
) -> None:
    """Each pinhole is closed from the address that opened it."""
    second = NEXT_PREFIX + HOST_PART
    dual_stack.give(dual_stack.lab.lan, second)
    state = ("--state-dir", str(tmp_path / "state"))
    opened = program.run("open", f"{PORT}/tcp", "--family", "both", "--backend", "pcp", *state)
    assert opened.status == 0, opened.errors
    assert opened.output.count("over PCP") == 3
    assert dual_stack.reaches("TCP", PORT, second)
    last = ("close", f"{PORT}/tcp") if way == "close" else ("run", "--only-close-ports", str(ports))
    closed = program.run(*last, *state)
    assert closed.status == 0, closed.errors
    assert not dual_stack.has_pinhole(dual_stack.host)
    assert not dual_stack.has_pinhole(second)
    assert dual_stack.lab.query_from_wan("TCP", PORT) is None


def test_a_pinhole_that_pcp_no_longer_closes_is_closed_over_upnp(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """This miniupnpd forgets the nonce at a renewal, and then refuses the deletion over PCP."""
    state = ("--state-dir", str(tmp_path / "state"))
    for _ in range(2):
        assert program.run("run", "--oneshot", "--backend", "pcp", *state, str(ports)).status == 0
    closed = program.run("close", f"{PORT}/tcp", *state)
    assert (closed.status, closed.errors) == (0, "")
    assert not dual_stack.has_pinhole(dual_stack.host)


def test_the_lifetime_of_a_pinhole_that_cannot_be_closed_is_shortened(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """With PCP only, its lifetime is reduced, and the message contains the rest."""
    dual_stack.lab.gateway.reset(DUAL_STACK_PCP)
    state = ("--state-dir", str(tmp_path / "state"))
    for _ in range(2):
        assert program.run("run", "--oneshot", *state, str(ports)).status == 0
    closed = program.run("close", f"{PORT}/tcp", *state)
    assert closed.status == 1
    assert "8080/tcp is still open: PCP: the gateway no longer closes it on request" in closed.errors
    assert "it ends by itself in 120 s" in closed.errors
    assert not dual_stack.lab.gateway.rules()


def test_a_router_that_is_silent_over_ipv6_delays_no_mapping(
    dual_stack: DualStack, program: Program, ports: Path, tmp_path: Path
) -> None:
    """The port answers over IPv4 during the search over IPv6."""
    dual_stack.silence_ipv6()
    state = ("--state-dir", str(tmp_path / "state"))
    with program.running("run", *state, str(ports), log=tmp_path / "log") as run:
        run.until(lambda: dual_stack.lab.reaches("TCP", PORT), "open over IPv4")
        run.until((tmp_path / "state" / "control.sock").exists, "listening")
        found = by_family(program.run("status", "--json", *state).json())
        assert (found["ipv4"]["state"], found["ipv6"]["state"]) == ("active", "pending")
        assert run.end() == 0
