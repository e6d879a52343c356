"""XML descriptions of the device and of each service's actions."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from portmapper_simulator.actions import FIREWALL_1, NUMBERS, WAN_COMMON, actions_of, state_variable
from portmapper_simulator.upnp_points import Layout

PROLOGUE = '<?xml version="1.0"?>\n'
COMMON_SCPD, CONNECTION_SCPD = "/WANCfg.xml", "/WANIPCn.xml"
COMMON_CONTROL = "/ctl/CmnIfCfg"
FIREWALL_SCPD, FIREWALL_CONTROL = "/WANIP6FC.xml", "/ctl/IP6FCtl"


def tag(name: str, *content: str) -> str:
    """Return an element with this XML content."""
    return f"<{name}>{''.join(content)}</{name}>"


def describe_device(layout: Layout, uuid: str, version: int, model: str) -> bytes:
    """Return the device description, with one connection device for each service."""
    firewall = _service(FIREWALL_1, "WANIPv6FC1", FIREWALL_SCPD, FIREWALL_CONTROL)
    connections = [
        _device(
            "WANConnectionDevice",
            version,
            f"{uuid}-{number}",
            model,
            [
                _service(service.kind, service.name, CONNECTION_SCPD, service.control_url),
                *([firewall] if layout.firewall else []),
            ],
        )
        for number, service in enumerate(layout.services, 1)
    ]
    common = _service(WAN_COMMON, "WANCommonIFC1", COMMON_SCPD, COMMON_CONTROL)
    wan = _device("WANDevice", version, f"{uuid}-0", model, [common], connections)
    root = _device("InternetGatewayDevice", version, uuid, model, [], [wan], page="/")
    base = "" if layout.url_base is None else tag("URLBase", layout.url_base)
    spec = tag("specVersion", tag("major", "1"), tag("minor", str(version - 1)))
    return f'{PROLOGUE}<root xmlns="urn:schemas-upnp-org:device-1-0">{spec}{base}{root}</root>'.encode()


def describe_service(kind: str) -> bytes:
    """Return the service description (SCPD) of a service type."""
    actions = actions_of(kind)
    arguments = sorted({a for action in actions.values() for a in action.inputs + action.outputs})
    listed = "".join(
        tag(
            "action",
            tag("name", name),
            tag(
                "argumentList",
                *(_argument(argument, "in") for argument in action.inputs),
                *(_argument(argument, "out") for argument in action.outputs),
            ),
        )
        for name, action in actions.items()
    )
    types = {state_variable(argument): NUMBERS.get(argument, "string") for argument in arguments}
    variables = "".join(
        f'<stateVariable sendEvents="no">{tag("name", name)}{tag("dataType", kind)}</stateVariable>'
        for name, kind in types.items()
    )
    return (
        f'{PROLOGUE}<scpd xmlns="urn:schemas-upnp-org:service-1-0">'
        f"{tag('specVersion', tag('major', '1'), tag('minor', '0'))}"
        f"{tag('actionList', listed)}{tag('serviceStateTable', variables)}</scpd>"
    ).encode()


def _device(
    name: str,
    version: int,
    uuid: str,
    model: str,
    services: Sequence[str],
    devices: Sequence[str] = (),
    page: str = "",
) -> str:
    fields = {
        "deviceType": f"urn:schemas-upnp-org:device:{name}:{version}",
        "friendlyName": model,
        "manufacturer": "portmapper",
        "modelName": model,
        "modelNumber": "1",
        "UDN": uuid,
    }
    return tag(
        "device",
        *(tag(key, escape(value)) for key, value in fields.items()),
        tag("presentationURL", escape(page)) if page else "",
        tag("serviceList", *services) if services else "",
        tag("deviceList", *devices) if devices else "",
    )


def _service(kind: str, name: str, scpd: str, control: str) -> str:
    return tag(
        "service",
        tag("serviceType", kind),
        tag("serviceId", f"urn:upnp-org:serviceId:{name}"),
        tag("SCPDURL", scpd),
        tag("controlURL", escape(control)),
        tag("eventSubURL", f"/evt/{name}"),
    )


def _argument(name: str, direction: str) -> str:
    related = tag("relatedStateVariable", state_variable(name))
    return tag("argument", tag("name", name), tag("direction", direction), related)
