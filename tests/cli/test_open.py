"""`portmapper open`: its options, its requests to the daemon, and its messages."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from portmapper.api.errors import RowError, UsageError
from portmapper.cli import open as open_command
from portmapper.cli import open_result


def arguments(*ports: str, **options: Any) -> argparse.Namespace:
    """Return the arguments of `open`, completed by the settings' defaults."""
    given = {"gateway": [], "backend": [], "family": None, **options}
    values = {"to": "", "lifetime": 600, "comment": None, "conflict": None, "remote": None}
    values |= {"limit": None, "when": None, **given}
    values["family"] = values["family"] or "ipv4"
    return argparse.Namespace(port=list(ports), given=argparse.Namespace(**given), **values)


@pytest.mark.parametrize(
    ("to", "address", "port"),
    [
        ("", None, None),
        (":80", None, "80"),
        ("192.168.88.11", "192.168.88.11", None),
        ("192.168.88.11:80", "192.168.88.11", "80"),
        ("2001:db8::10", "2001:db8::10", None),
        ("[2001:db8::10]:80", "2001:db8::10", "80"),
    ],
)
def test_the_internal_endpoint_can_have_an_address_and_a_port(
    to: str, address: str | None, port: str | None
) -> None:
    """Only an IPv6 address with a port needs brackets."""
    (record,) = open_command._records(arguments("8080/tcp", to=to))
    assert (record["address"], record.get("internal_port")) == (address, port)


@pytest.mark.parametrize("to", ["host", "192.168.88.11:", "192.168.88.999", ":"])
def test_an_invalid_internal_endpoint_is_a_usage_error(to: str) -> None:
    """The message shows the value."""
    with pytest.raises(UsageError, match="--to"):
        open_command._records(arguments("8080/tcp", to=to))


def test_a_record_has_what_the_daemon_needs() -> None:
    """One gateway and one backend are sent, several are not."""
    (record,) = open_command._records(arguments("8080/tcp", gateway=["all"], backend=["pcp"]))
    assert (record["gateway"], record["backend"], record["duration"]) == ("all", "pcp", 600)
    (record,) = open_command._records(
        arguments("8080/tcp", gateway=["192.168.1.1", "192.168.1.2"], backend=["pcp", "upnp"])
    )
    assert record["gateway"] is None
    assert "backend" not in record


def test_invalid_records_are_rejected_before_the_daemon_gets_them() -> None:
    """A range cannot map to one internal port outside of the port numbers."""
    with pytest.raises((UsageError, RowError)):
        open_command._records(arguments("8080/tcp", to=":99999"))


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({}, False),
        ({"gateway": ["default"]}, False),
        ({"gateway": ["http://192.168.1.1/igd.xml"]}, True),
        ({"backend": ["pcp", "upnp"]}, True),
    ],
)
def test_options_that_the_daemon_ignores_are_reported(
    options: dict[str, Any], warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon uses the gateways that it was started with."""
    open_command._warn_about_ignored_options(arguments("8080/tcp", **options))
    assert ("uses the gateways that it was started with" in capsys.readouterr().err) is warned


def document(state: str, **more: Any) -> dict[str, Any]:
    """Return a status document with one mapping."""
    mapping = {
        "protocol": "TCP",
        "internal_address": "192.168.88.10",
        "internal_port": 80,
        "wanted_external_port": 8080,
        "external_address": "203.0.113.7",
        "external_port": 8080,
        "state": state,
        "backend": "pcp",
        "permanent": False,
        "lifetime": 600,
        "expires_at": "2026-11-28T12:00:00+00:00",
        "gateway": "192.168.88.1",
        "error": None,
        **more,
    }
    return {"gateways": [], "mappings": [mapping]}


@pytest.mark.parametrize(
    ("by_daemon", "permanent", "end"),
    [
        (True, False, "\n  the daemon renews it until 'portmapper close'"),
        (False, False, "\n  until 2026-11-"),
        (False, True, "\n  until 'portmapper close'"),
    ],
)
def test_an_open_port_is_shown_with_its_end(
    by_daemon: bool, permanent: bool, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon renews the lease."""
    open_result.show(document("active", permanent=permanent), by_daemon)
    line = f"8080/tcp → 192.168.88.10:80 is open at 203.0.113.7:8080 over PCP{end}"
    captured = capsys.readouterr()
    assert captured.out.startswith(line)
    ends = not by_daemon and not permanent
    assert ("(10m 0s); nothing renews this lease" in captured.out) is ends
    assert ("to keep the port open, add it to a list" in captured.err) is ends


def test_a_closed_port_is_shown_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon retries it."""
    open_result.show(document("conflict", error="192.168.88.11 holds it"), by_daemon=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "8080/tcp is not open: 192.168.88.11 holds it",
        "portmapper: the daemon keeps trying until 'portmapper close'",
    ]


@pytest.mark.parametrize(("state", "status"), [("active", 0), ("conflict", 1), ("pending", 3)])
def test_the_exit_status_depends_on_the_states(state: str, status: int) -> None:
    """It is 3 only if no gateway answered."""
    assert open_result.exit_status(document(state)) == status
    with_gateway = {**document("pending"), "gateways": [{}]}
    assert open_result.exit_status(with_gateway) == 1


def test_an_address_behind_another_nat_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """The port is open at the gateway only."""
    gateway = {"backend": "pcp", "address": "192.168.88.1", "external_kind": "cgnat", "detail": "CGNAT"}
    open_result.show({**document("active"), "gateways": [gateway]}, by_daemon=True)
    assert "portmapper: warning: CGNAT" in capsys.readouterr().err


def test_options_become_fields_of_every_record() -> None:
    """The comment replaces that of a preset."""
    records = open_command._records(arguments("minecraft", "80:8080", comment="mine", conflict="next"))
    assert [(r["comment"], r["conflict"]) for r in records] == [("mine", "next")] * 2
    assert [r["comment"] for r in open_command._records(arguments("minecraft", "80"))] == [
        "Minecraft Java Edition",
        "portmapper",
    ]


def test_two_internal_ports_are_a_usage_error() -> None:
    """One is in the argument, the other in `--to`."""
    with pytest.raises(UsageError, match="already has an internal port"):
        open_command._records(arguments("8080:80", to=":81"))


def test_a_lifetime_may_have_a_unit() -> None:
    """The longest lifetime is that of the protocols."""
    assert open_command._lifetime("1h") == 3600
    for text in ("soon", "99999d"):
        with pytest.raises(argparse.ArgumentTypeError):
            open_command._lifetime(text)
