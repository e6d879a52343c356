"""Quirks of HTTP: framing, headers and connections."""

from __future__ import annotations

import gzip

import attrs

from portmapper_simulator.upnp_points import LISTEN, RESPONSE, Listening, Response

BACKLOG = 5
COUNTED_LESS = 400
"""Bytes by which a declared length is too small."""


@RESPONSE.quirk("H1", "writes chunked bodies, bare line feeds and application/octet-stream")
def _sloppy(response: Response) -> Response:
    octets = "application/octet-stream"
    return attrs.evolve(response, framing="chunked", newline=b"\n", content_type=octets)


@RESPONSE.quirk("H1-chunked", "writes chunked bodies")
def _chunked(response: Response) -> Response:
    return attrs.evolve(response, framing="chunked")


@RESPONSE.quirk("H1-bare-lf", "ends header lines with a bare line feed")
def _bare_lf(response: Response) -> Response:
    return attrs.evolve(response, newline=b"\n")


@RESPONSE.quirk("H1-http10", "speaks HTTP/1.0 without Content-Length")
def _http_1_0(response: Response) -> Response:
    return attrs.evolve(response, version="HTTP/1.0", framing="close")


@RESPONSE.quirk("H1-octet-stream", "calls its XML application/octet-stream")
def _octet_stream(response: Response) -> Response:
    return attrs.evolve(response, content_type="application/octet-stream")


@RESPONSE.quirk("H4-drip", "sends one byte a second")
def _drip(response: Response) -> Response:
    return attrs.evolve(response, pause=1.0)


@RESPONSE.quirk("H5", "closes the connection after every answer, and has a backlog of 5")
def _closing(response: Response) -> Response:
    return attrs.evolve(response, close=True)


@LISTEN.quirk("H5")
def _short_backlog(listening: Listening) -> Listening:
    return attrs.evolve(listening, backlog=BACKLOG)


@LISTEN.quirk("H11", "closes a second connection without an answer")
def _single(listening: Listening) -> Listening:
    return attrs.evolve(listening, connections=1)


@RESPONSE.quirk("H12", "declares a length that is too small for its description")
def _miscounted(response: Response) -> Response:
    if b"</root>" not in response.body:
        return response
    return attrs.evolve(response, counted=len(response.body) - COUNTED_LESS, close=True)


@RESPONSE.quirk("H12-gzip", "compresses everything, although it was not requested")
def _compressed(response: Response) -> Response:
    return attrs.evolve(response, body=gzip.compress(response.body))


@RESPONSE.quirk("H12-utf-16", "declares UTF-16, and sends UTF-8")
def _wrong_encoding(response: Response) -> Response:
    return attrs.evolve(response, content_type="text/xml; charset=utf-16")


@RESPONSE.quirk("H15", "writes neither the version of HTTP nor a length")
def _without_version(response: Response) -> Response:
    return attrs.evolve(response, version="HTTP", framing="close")


@RESPONSE.quirk("H15-bare-cr", "ends header lines with a bare carriage return")
def _bare_cr(response: Response) -> Response:
    return attrs.evolve(response, newline=b"\r", framing="close")
