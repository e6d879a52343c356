"""Read the body of an answer, plain or compressed, up to the maximum size of a document."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from portmapper.api import MAX_DOCUMENT, SourceError

if TYPE_CHECKING:
    from aiohttp import ClientResponse

_CHUNK = 64 * 1024
# zlib's flag to detect whether the header is that of gzip or of zlib.
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


async def read_body(response: ClientResponse) -> bytes:
    """Return the complete decompressed body.

    Raises:
        SourceError: the body is larger than a document may be, damaged, or in an unsupported encoding.
    """
    body, sent = bytearray(), 0
    decompressor = _Decompressor(response.headers.get("Content-Encoding", "").strip().lower())
    async for chunk in response.content.iter_chunked(_CHUNK):
        # The limit applies to what was sent, too.
        sent += len(chunk)
        # One byte more than allowed shows that it is too large; a gzip bomb is not decompressed further.
        body += decompressor.feed(chunk, MAX_DOCUMENT + 1 - len(body))
        if max(len(body), sent) > MAX_DOCUMENT:
            raise SourceError(f"larger than {MAX_DOCUMENT // 2**20} MiB")
    decompressor.finish()
    return bytes(body)


class _Decompressor:
    def __init__(self, encoding: str) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise SourceError("compressed with an unsupported encoding")
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding not in ("", "identity") else None

    def feed(self, chunk: bytes, room: int) -> bytes:
        if self._stream is None:
            return chunk
        content = bytearray()
        try:
            while chunk and len(content) < room:
                if self._stream.eof:
                    # A gzip file may have several members (RFC 1952 section 2.2); anything else is garbage.
                    self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
                content += self._stream.decompress(chunk, room - len(content))
                chunk = self._stream.unused_data
        except zlib.error:
            raise SourceError("its compressed body is damaged") from None
        return bytes(content)

    def finish(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise SourceError("its compressed body is cut off")
