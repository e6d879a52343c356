"""Reads the body of an answer within its bound, also when it is compressed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from portmapper.api import MAX_DOCUMENT, SourceError

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_CHUNK = 64 * 1024
# zlib's flag to find out by itself whether the header is gzip's or its own.
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


async def read_body(response: ClientResponse) -> bytes:
    """Read it whole and decompressed.

    Raises:
        SourceError: it is larger than a document may be, or compressed in a way we did not ask for.
    """
    body = bytearray()
    unpack = _Unpacking(response.headers.get("Content-Encoding", "").strip().lower())
    async for chunk in response.content.iter_chunked(_CHUNK):
        # One byte more than allowed is enough to know; a gzip bomb is never unpacked further.
        body += unpack.feed(chunk, MAX_DOCUMENT + 1 - len(body))
        if len(body) > MAX_DOCUMENT:
            raise SourceError(f"larger than {MAX_DOCUMENT // 2**20} MiB")
    unpack.finish()
    return bytes(body)


class _Unpacking:
    def __init__(self, encoding: str) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise SourceError("compressed in a way that was not asked for")
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding not in ("", "identity") else None

    def feed(self, chunk: bytes, room: int) -> bytes:
        if self._stream is None:
            return chunk
        try:
            return self._stream.decompress(chunk, room)
        except zlib.error:
            raise SourceError("its compressed body is damaged") from None

    def finish(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise SourceError("its compressed body is cut off")
