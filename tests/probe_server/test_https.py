"""The probe server over HTTPS: the same answers, and the client verifies the certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme

from portmapper.api.model import Protocol
from portmapper.probe.exchange import Greeting, ProbeError, ProbeServer, Report, ask
from portmapper.probe.wire import PortRequest, Result
from portmapper.probe_server import tcp
from portmapper.probe_server.server import probe_server
from portmapper.support.tls_server import Certificate

HOST = ip_address("127.0.0.1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority that signed the server's certificate."""
    return trustme.CA()


@pytest.fixture
async def port(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The port of a server with a certificate and its key in one file."""
    monkeypatch.setattr(tcp, "HOLD", 0.05)
    pair = authority.issue_cert("127.0.0.1", "probe.example")
    pair.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pair.pem")
    certificate = Certificate(tmp_path / "pair.pem", tmp_path / "pair.pem")
    async with probe_server(HOST, 0, "geheim", certificate=certificate) as chosen:
        yield chosen


async def answers(server: ProbeServer, port: int) -> list[Greeting | Report]:
    """Ask a server about one TCP port."""
    wanted = [PortRequest(Protocol.TCP, port, b"\0" * 16)]
    return [line async for line in ask(server, wanted, HOST, None)]


@pytest.mark.parametrize("name", ["127.0.0.1", "probe.example"])
async def test_the_answer_is_that_of_http(
    name: str, port: int, authority: trustme.CA, free_port: Callable[[], int]
) -> None:
    """The URL may have the address or the name of the certificate."""
    server = ProbeServer(f"https://{name}:{port}", "geheim", authority.cert_pem.bytes().decode())
    greeting, report = await answers(server, free_port())
    assert isinstance(greeting, Greeting)
    assert isinstance(report, Report)
    assert (greeting.peer, greeting.udp_port, report.result) == (HOST, port, Result.REFUSED)


async def test_the_token_is_not_sent_to_another_server(port: int, free_port: Callable[[], int]) -> None:
    """Another authority, the system's authorities, and another name are refused."""
    other = trustme.CA().cert_pem.bytes().decode()
    for server in (
        ProbeServer(f"https://127.0.0.1:{port}", "geheim", other),
        ProbeServer(f"https://127.0.0.1:{port}", "geheim"),
    ):
        with pytest.raises(ProbeError, match="cannot verify the probe server"):
            await answers(server, free_port())


async def test_another_name_is_refused(
    port: int, authority: trustme.CA, free_port: Callable[[], int]
) -> None:
    """The certificate is valid, but for another host."""
    server = ProbeServer(f"https://other.example:{port}", "geheim", authority.cert_pem.bytes().decode())
    with pytest.raises(ProbeError, match="ostname mismatch"):
        await answers(server, free_port())


async def test_http_is_refused(port: int, free_port: Callable[[], int]) -> None:
    """A token would be readable on the way."""
    with pytest.raises(ProbeError):
        await answers(ProbeServer(f"http://127.0.0.1:{port}", "geheim"), free_port())
