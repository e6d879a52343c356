"""Answers to SOAP calls in the shapes that routers write them in."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import BackendError, Conflict, NetworkFailure, NotAuthorized

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
async def test_an_answer_is_found_in_its_wrapping(
    router: Any, connected: Any, build: Any, shape: str, result: str
) -> None:
    """Prefixes, case and what lies around it do not matter."""
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
async def test_a_refusal_is_typed_whatever_it_looks_like(
    router: Any, connected: Any, build: Any, request_for: Any, body: str, kind: type[BackendError]
) -> None:
    """And is never taken for a success."""
    gateway = await connected()
    router.replies["AddPortMapping"] = build.http(body, "500 Internal Server Error")
    with pytest.raises(kind):
        await gateway.map(request_for())
