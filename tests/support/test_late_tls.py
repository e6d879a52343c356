"""asyncio is imported without TLS, and has it as soon as something uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import trustme

WITHOUT_TLS = """
import sys
from portmapper.support.late_tls import import_asyncio
import_asyncio()
import asyncio

async def exchange():
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    client, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
    client.close()
    server.close()

asyncio.run(exchange())
print(*(name in sys.modules for name in ("ssl", "_ssl", "asyncio.sslproto")))
"""

WITH_TLS = """
import sys
from portmapper.support.late_tls import import_asyncio
import_asyncio()
import asyncio
import socket
import ssl

async def greet(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()

async def exchange(authority, certificate):
    of_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    of_server.load_cert_chain(certificate)
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=of_server)
    port = server.sockets[0].getsockname()[1]
    of_client = ssl.create_default_context(cafile=authority)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=of_client, server_hostname="router.example"
    )
    writer.write(b"hello\\n")
    print((await reader.readline()).decode().strip())
    writer.close()
    try:
        await asyncio.open_connection("127.0.0.1", port, ssl=True, server_hostname="router.example")
    except ssl.SSLCertVerificationError:
        print("not trusted")
    try:
        tls_socket = of_client.wrap_socket(socket.socket(), server_hostname="router.example")
        await asyncio.get_running_loop().sock_connect(tls_socket, ("127.0.0.1", port))
    except TypeError as error:
        print(error)

asyncio.run(exchange(*sys.argv[1:]))
"""

ALREADY_IMPORTED = """
import asyncio, ssl
from portmapper.support.late_tls import import_asyncio
import_asyncio()
print(type(ssl).__name__, type(asyncio.base_events.ssl).__name__)
"""

AFTERWARDS = """
from portmapper.support.late_tls import import_asyncio
import_asyncio()
import asyncio, ssl, sys
print(type(ssl).__name__, "_ssl" in sys.modules, asyncio.base_events.ssl.SSLSocket is ssl.SSLSocket)
"""


def printed(code: str, *arguments: str) -> list[str]:
    """Return the lines that a new interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.splitlines()


def test_an_exchange_of_datagrams_does_not_load_tls() -> None:
    """PCP and NAT-PMP need nothing else."""
    assert printed(WITHOUT_TLS) == ["False False False"]


def test_connections_with_tls_work_and_verify_certificates(tmp_path: Path) -> None:
    """asyncio loads TLS for the first of them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    issued = authority.issue_cert("router.example")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    assert printed(WITH_TLS, str(tmp_path / "authority.pem"), str(tmp_path / "server.pem")) == [
        "hello",
        "not trusted",
        "Socket cannot be of type SSLSocket",
    ]


def test_every_other_import_of_ssl_loads_it_at_once() -> None:
    """Libraries get the module itself, and asyncio then uses the same."""
    assert printed(AFTERWARDS) == ["module True True"]


def test_a_program_that_has_asyncio_already_keeps_it() -> None:
    """Nothing is replaced under it."""
    assert printed(ALREADY_IMPORTED) == ["module module"]
