"""The listener of a real daemon with a gateway in software."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running_program import until


class Client:
    """A client with a token."""

    def __init__(self, port: int, token: str) -> None:
        self._address = f"http://127.0.0.1:{port}"
        self._token = token

    def call(self, path: str, body: object = None) -> Any:
        """Send a request, POST with a body, and return the answer."""
        content = None if body is None else json.dumps(body).encode()
        all_headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(self._address + path, content, all_headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if answer.headers["Content-Type"].startswith("application/json") else text


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    """The port of the listener."""
    return free_port()


@pytest.fixture
def client(program: Any, port: int) -> Client:
    """A client with a token that may change something."""
    return Client(port, program.run("web", "token").output.strip())


def test_a_port_is_opened_and_closed(
    program: Any, gateway: Any, ports: Path, port: int, client: Client
) -> None:
    """And the events of it are in the journal."""
    with program.running("run", *gateway.options, "--http", f"127.0.0.1:{port}", str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        opened = client.call("/v1/open", {"mappings": [{"port": 9000, "protocol": "tcp"}]})
        assert [mapping["state"] for mapping in opened["mappings"]] == ["active"]
        assert opened["web_address"] == f"http://127.0.0.1:{port}/"
        assert gateway.ports() == {8080, 9000}
        assert client.call("/v1/summary")["open"] == 2
        closed = client.call("/v1/close", {"mappings": [{"port": 9000, "protocol": "tcp"}]})
        assert [result["result"] for result in closed["ports"]] == ["closed"]
        assert gateway.ports() == {8080}
        events = client.call("/v1/history")
        assert [event["id"] for event in events] == sorted(event["id"] for event in events)
        assert b'portmapper_mappings{state="active"} 1.0' in client.call("/metrics")


def test_doctor_runs_as_a_job(program: Any, gateway: Any, ports: Path, port: int, client: Client) -> None:
    """It examines this daemon, with its options."""
    with program.running("run", *gateway.options, "--http", f"127.0.0.1:{port}", str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        number = client.call("/v1/doctor", {"probe": False})["id"]
        until(lambda: client.call(f"/v1/doctor/{number}")["state"] != "running", "done", 60)
        job = client.call(f"/v1/doctor/{number}")
        assert (job["state"], job["error"]) == ("done", None), job
        assert any("8080" in finding["summary"] for finding in job["findings"]), job


def test_a_stream_continues_after_a_restart(
    program: Any, gateway: Any, ports: Path, port: int, client: Client
) -> None:
    """With the events since the last one that the client saw."""
    command = ("run", *gateway.options, "--http", f"127.0.0.1:{port}", str(ports))
    with program.running(*command) as daemon:
        daemon.logs("opened 8080/tcp")
        last = client.call("/v1/history")[-1]["id"]
    ports.write_text(ports.read_text() + "8090;TCP\n")
    with program.running(*command) as daemon:
        daemon.logs("opened 8090/tcp")
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/events",
            headers={"Accept": "text/event-stream", "Last-Event-ID": str(last)},
        )
        with urllib.request.urlopen(request, timeout=60) as stream:
            lines = [stream.readline().decode() for _ in range(4)]
        event = json.loads(lines[3].removeprefix("data: "))
        assert (lines[2], event["id"]) == (f"id: {last + 1}\n", last + 1)


def test_a_client_without_a_token_changes_nothing(program: Any, gateway: Any, ports: Path, port: int) -> None:
    """The port stays closed."""
    with program.running("run", *gateway.options, "--http", f"127.0.0.1:{port}", str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        for token in ("", "x"):
            with pytest.raises(urllib.error.HTTPError, match="401") as refused:
                Client(port, token).call("/v1/open", {"mappings": [{"port": 9000, "protocol": "tcp"}]})
            refused.value.close()
        assert gateway.ports() == {8080}


def test_status_shows_the_address_of_the_page(program: Any, gateway: Any, ports: Path, port: int) -> None:
    """On the screen and in the document."""
    url = f"http://127.0.0.1:{port}/"
    with program.running("run", *gateway.options, "--http", f"127.0.0.1:{port}", str(ports)) as daemon:
        daemon.logs(f"listening at {url}")
        daemon.until(lambda: f"web page {url}" in program.run("status").output, "on the screen")
        assert json.loads(program.run("status", "--json").output)["web_address"] == url
    assert json.loads(program.run("status", "--json").output)["web_address"] is None
