"""`portmapper health`, as Docker's HEALTHCHECK runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only


def test_a_daemon_with_a_gateway_is_healthy_and_ready(program: Any, gateway: Any, ports: Path) -> None:
    """Even if the settings file was damaged meanwhile."""
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        for options in ((), ("--ready",)):
            finished = program.run("health", *options)
            assert (finished.status, finished.output, finished.errors) == (0, "ok\n", "")


def test_without_a_gateway_it_is_healthy_but_not_ready(program: Any, silence: Any, ports: Path) -> None:
    """The message says why."""
    with program.running("run", *silence, str(ports)) as daemon:
        daemon.until(program.listener.exists, "listening")
        assert program.run("health").status == 0
        finished = program.run("health", "--ready")
        assert (finished.status, "no gateway answers" in finished.errors) == (1, True)


def test_a_gateway_that_stops_makes_the_daemon_not_ready(
    program: Any, gateway: Any, ports: Path, wait: Any
) -> None:
    """The daemon stays healthy, and shows that the gateway does not answer."""
    with program.running("run", "-n", "1", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        assert program.run("health", "--ready").status == 0
        gateway.leave()
        wait(lambda: program.run("health", "--ready").status == 1, "not ready")
        assert program.run("health").status == 0
        gateways = json.loads(program.run("status", "--json").output)["gateways"]
        assert [known["answers"] for known in gateways] == [False]


@posix_only("stops a process with a signal")
def test_without_a_daemon_or_an_answer_the_status_is_1(program: Any, gateway: Any, ports: Path) -> None:
    """A stopped process accepts the connection, but does not answer."""
    assert program.run("health").status == 1
    with program.running("run", *gateway.options, str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        os.kill(daemon.process.pid, signal.SIGSTOP)
        finished = program.run("health")
        os.kill(daemon.process.pid, signal.SIGCONT)
        assert (finished.status, "does not answer" in finished.errors) == (1, True)


ADDRESSES = ("8080", "127.0.0.1", "127.0.0.1:0", "::1:80", "host:80", "127.0.0.1:99999")


@pytest.mark.parametrize("value", ADDRESSES)
def test_an_invalid_address_is_a_usage_error(program: Any, ports: Path, value: str) -> None:
    """The message has an example."""
    finished = program.run("run", "--http", value, str(ports))
    assert (finished.status, "'127.0.0.1:8080'" in finished.errors) == (2, True)


def test_an_address_in_use_is_a_problem_of_the_listener_alone(
    program: Any, gateway: Any, ports: Path, free_port: Callable[[], int]
) -> None:
    """The ports are opened, and the listener works as soon as the address is free."""
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)) as other,
        program.running("run", *gateway.options, "--http", f"127.0.0.1:{port}", str(ports)) as daemon,
    ):
        daemon.logs("opened 8080/tcp")
        daemon.logs("http listener does not work")
        (problem,) = json.loads(program.run("status", "--json").output)["problems"]
        assert problem["part"] == "http listener"
        assert problem["error"].startswith(f"cannot listen at 127.0.0.1:{port}: ")
        other.close()
        daemon.logs(f"listening at http://127.0.0.1:{port}/")
