"""Answers to SOAP calls in the forms that routers send (H3 of the conformance list)."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import (
    BackendError,
    Conflict,
    NetworkFailure,
    NotAuthorized,
)

ANSWERS = {
    "another prefix": "<SOAP-ENV:Envelope><SOAP-ENV:Body>{}</SOAP-ENV:Body></SOAP-ENV:Envelope>",
    "no envelope": "{}",
    "blanks before": "\r\n\r\n<s:Envelope><s:Body>{}</s:Body></s:Envelope>",
    "a NUL after": "<s:Envelope><s:Body>{}</s:Body></s:Envelope>\0",
}
ADDRESS = "<NewExternalIPAddress> 8.8.4.4\n</NewExternalIPAddress>"
RESULTS = [
    f"<u:GetExternalIPAddressResponse>{ADDRESS}</u:GetExternalIPAddressResponse>",
    f"<GetExternalIPAddressResponse>{ADDRESS}</GetExternalIPAddressResponse>",
    f"<m:getexternalipaddressresponse>{ADDRESS}<NewMore>1</NewMore></m:getexternalipaddressresponse>",
]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("shape", ANSWERS)
async def test_an_answer_is_found_in_any_envelope(
    router: Any, connected: Any, build: Any, shape: str, result: str
) -> None:
    """Prefixes, case and surrounding elements are irrelevant."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = build.http(ANSWERS[shape].format(result))
    assert str(await gateway.external_address()) == "8.8.4.4"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<s:Fault><detail><UPnPError><errorCode> 718 </errorCode></UPnPError></detail></s:Fault>", Conflict),
        ("<s:fault><UPnPError><errorCode>606</errorCode></UPnPError></s:fault>", NotAuthorized),
        ("<UPnPError><errorCode>606</errorCode></UPnPError>", NotAuthorized),
        ("<s:Fault><faultstring>no</faultstring></s:Fault>", Conflict),
        ("<html><body><h1>500 Internal Server Error</h1><br></body></html>", NetworkFailure),
        ("", NetworkFailure),
        ("<s:Envelope><s:Body/></s:Envelope>", NetworkFailure),
    ],
)
async def test_a_refusal_in_any_form_is_typed(
    router: Any, connected: Any, build: Any, request_for: Any, body: str, kind: type[BackendError]
) -> None:
    """It is never taken for a success."""
    gateway = await connected()
    router.replies["AddPortMapping"] = build.http(body, "500 Internal Server Error")
    with pytest.raises(kind):
        await gateway.map(request_for())


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error", "400 Bad Request"])
async def test_h3_a_fault_counts_with_any_status(router, connected, request_for, build, status):
    """Its code decides."""
    gateway = await connected()
    router.replies["AddPortMapping"] = build.http(build.soap_fault(729), status)
    with pytest.raises(Conflict) as caught:
        await gateway.map(request_for(exact=True))
    assert caught.value.code == 729


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n<a></a>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n<html>done</html>",
        b"HTTP/1.1 500 Error\r\nContent-Length: 27\r\n\r\n<u:AddPortMappingResponse/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n<AddPortMapping />",
    ],
)
async def test_h3_an_incomplete_success_counts(router, connected, request_for, answer):
    """An action without output needs no content; the mapping is verified."""
    gateway = await connected()
    router.entry(80, "127.0.0.1")
    router.replies["AddPortMapping"] = answer
    assert (await gateway.map(request_for())).external_port == 80
    router.table.clear()
    liar = await connected()
    with pytest.raises(NetworkFailure, match="does not hold it"):
        await liar.map(request_for())


@pytest.mark.parametrize("status", ["401 Unauthorized", "503 Busy", "500 Error"])
@pytest.mark.parametrize("body", ["", "please log in", "<html>please log in</html>"])
async def test_h3_an_error_without_a_fault_names_its_status(
    router, connected, request_for, build, status, body
):
    """Without a fault, without XML, or empty."""
    gateway = await connected()
    router.replies["AddPortMapping"] = build.http(body, status)
    with pytest.raises(NetworkFailure, match=f"HTTP {status[:3]}"):
        await gateway.map(request_for())


@pytest.mark.parametrize(
    ("detail", "code"),
    [
        ("<UPnPError><errorCode>718</errorCode></UPnPError>", 718),
        ("<UPnPError><errorCode> 718 </errorCode><errorDescription/></UPnPError>", 718),
        ("<UPnPError><errorCode>many</errorCode></UPnPError>", 501),
        ("", 501),
    ],
)
async def test_h3_an_incomplete_fault_is_read(router, connected, request_for, build, detail, code):
    """It is still a fault without a description or a number."""
    gateway = await connected()
    fault = f"<s:Fault><detail>{detail}</detail></s:Fault>"
    router.replies["AddPortMapping"] = build.http(build.ENVELOPE.format(fault), "500 Error")
    with pytest.raises(Conflict) as caught:
        await gateway.map(request_for(exact=True))
    assert caught.value.code == code


@pytest.mark.parametrize("body", ["", "<html>no</html>", "{}", "<a><b></a>"])
async def test_an_invalid_answer_is_a_typed_error(router, connected, build, body):
    """No parser error reaches the caller."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = build.http(body, "500 Error")
    with pytest.raises(BackendError):
        await gateway.external_address()
