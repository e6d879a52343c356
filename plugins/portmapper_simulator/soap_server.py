"""SOAP server: reads a call, passes it to the service, and writes the answer or the fault."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from portmapper_simulator import upnp_points
from portmapper_simulator.actions import FIREWALL_1, WAN_COMMON, actions_of
from portmapper_simulator.description import PROLOGUE, tag
from portmapper_simulator.errors import Fault
from portmapper_simulator.http_server import HttpRequest
from portmapper_simulator.state import State
from portmapper_simulator.upnp_points import Call, Response, WanService
from portmapper_simulator.wan_common import call_common
from portmapper_simulator.wan_connection import call_connection

ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>{}</s:Body></s:Envelope>'
)


async def answer_soap(
    state: State, request: HttpRequest, service: WanService | None, other: str = WAN_COMMON
) -> Response:
    """Answer a call to a WAN connection, or to the service `other` if `service` is None."""
    kind = other if service is None else service.kind
    try:
        call = _read_call(request, service)
        results = await _do(state, call, kind)
    except Fault as fault:
        return Response(request.path, 500, _fault(fault))
    body = "".join(_result(name, value) for name, value in results.items())
    answer = f'<u:{call.action}Response xmlns:u="{kind}">{body}</u:{call.action}Response>'
    return Response(request.path, 200, (PROLOGUE + ENVELOPE.format(answer)).encode())


async def _do(state: State, call: Call, kind: str) -> Mapping[str, str]:
    state.log_request("soap", call.action, call.caller, **call.arguments)
    call = upnp_points.CALL.apply(state.quirks, call)
    action = actions_of(kind).get(call.action)
    if action is None:
        raise Fault(401)
    if set(call.arguments) != set(action.inputs):
        raise Fault(402)
    if kind == FIREWALL_1:
        return _call_firewall(call.action)
    if call.service is None:
        return call_common(state, call.action)
    return await call_connection(state, call)


def _call_firewall(action: str) -> Mapping[str, str]:
    """Report a firewall that allows pinholes; open none, because the simulator has no IPv6."""
    if action != "GetFirewallStatus":
        raise Fault(606)
    return {"FirewallEnabled": "1", "InboundPinholeAllowed": "1"}


def _read_call(request: HttpRequest, service: WanService | None) -> Call:
    """Read a call; take the action from the body, because many clients send a wrong SOAPAction header."""
    try:
        envelope: Element = fromstring(request.body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Fault(402) from error
    body = next((child for child in envelope if _local(child) == "Body"), None)
    if body is None or len(body) != 1:
        raise Fault(402)
    arguments = {_local(argument): (argument.text or "").strip() for argument in body[0]}
    return Call(service, _local(body[0]), arguments, request.headers, request.body, request.sender)


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _result(name: str, value: str) -> str:
    """Return a result element; NewPortListing is CDATA, because miniupnpc cannot read it escaped."""
    return tag(name, f"<![CDATA[{value}]]>" if name == "NewPortListing" else escape(value))


def _fault(fault: Fault) -> bytes:
    error = tag("errorCode", str(fault.code)) + tag("errorDescription", escape(str(fault)))
    detail = f'<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">{error}</UPnPError>'
    content = tag("faultcode", "s:Client") + tag("faultstring", "UPnPError") + tag("detail", detail)
    return (PROLOGUE + ENVELOPE.format(tag("s:Fault", content))).encode()
