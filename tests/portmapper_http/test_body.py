"""Bodies of answers: compression, and the limit on their size."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from aiohttp import web

from portmapper.api.source import MAX_DOCUMENT
from portmapper_http.source import HttpSource

CSV = b"port;protocol\n80;TCP\n"


async def test_a_compressed_document(server: Any) -> None:
    """Gzip is requested, and deflate accepted too."""
    gzipped = server.answers("/a", body=gzip.compress(CSV, mtime=0), headers={"Content-Encoding": "gzip"})
    deflated = server.answers("/b", body=zlib.compress(CSV), headers={"Content-Encoding": "deflate"})
    for url in (gzipped, deflated):
        assert (await HttpSource(url).fetch()).content == CSV


@pytest.mark.parametrize(
    ("body", "encoding", "error"),
    [
        (gzip.compress(CSV, mtime=0)[:-9], "gzip", "cut off"),
        (b"no gzip", "gzip", "damaged"),
        (gzip.compress(CSV, mtime=0) + b"garbage", "gzip", "damaged"),
        (CSV, "br", "unsupported encoding"),
    ],
)
async def test_a_badly_compressed_document(
    failure: Any, server: Any, body: bytes, encoding: str, error: str
) -> None:
    """A one-line error."""
    assert error in await failure(server.answers("/x", body=body, headers={"Content-Encoding": encoding}))


async def test_a_gzip_bomb_is_not_decompressed(failure: Any, server: Any) -> None:
    """A megabyte that expands to a gigabyte needs no more memory than a document may have."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**20)
    bomb = b"".join([*(packer.compress(zeros) for _ in range(256)), packer.flush()])
    url = server.answers("/x", body=bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        assert await failure(url) == "larger than 16 MiB"
        assert tracemalloc.get_traced_memory()[1] < 5 * MAX_DOCUMENT
    finally:
        tracemalloc.stop()


async def test_a_document_in_several_gzip_members(server: Any) -> None:
    """RFC 1952 allows them."""
    body = gzip.compress(CSV[:9], mtime=0) + gzip.compress(CSV[9:], mtime=0)
    url = server.answers("/x", body=body, headers={"Content-Encoding": "gzip"})
    assert (await HttpSource(url).fetch()).content == CSV


async def test_garbage_after_the_document_counts(failure: Any, server: Any) -> None:
    """Empty members decompress to nothing, but what is sent is limited too."""
    body = gzip.compress(b"", mtime=0) * (MAX_DOCUMENT // 20 + 1)
    url = server.answers("/x", body=body, headers={"Content-Encoding": "gzip"})
    assert await failure(url) == "larger than 16 MiB"


async def test_an_endless_body_is_an_error(failure: Any, server: Any) -> None:
    """Reading stops at the limit."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(2**20))

    server.handlers["/x"] = handler
    assert await failure(server.url("/x")) == "larger than 16 MiB"
