"""XML of the device and service descriptions."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from portmapper_simulator.actions import WAN_IP_1, WAN_IP_2, actions_of
from portmapper_simulator.description import describe_device, describe_service
from portmapper_simulator.upnp_points import Layout, WanService

DEVICE = "{urn:schemas-upnp-org:device-1-0}"
SERVICE = "{urn:schemas-upnp-org:service-1-0}"


def described(services: int = 1, model: str = "model", url_base: str | None = None) -> bytes:
    """Return the description of a gateway with this number of WAN connections."""
    connections = tuple(WanService(WAN_IP_2, f"WANIPConn{n}", "11.22.33.44") for n in range(services))
    layout = Layout(connections, "127.0.0.1", (80,), url_base=url_base)
    return describe_device(layout, "uuid:test", 2, model)


def test_each_connection_has_a_device() -> None:
    """Each device has a different UDN."""
    root = fromstring(described(2))
    udns = [element.text for element in root.iter(f"{DEVICE}UDN")]
    assert len(udns) == len(set(udns)) == 4


def test_a_model_name_is_escaped() -> None:
    """A name with markup does not break the XML."""
    names = fromstring(described(model="<a> & b")).iter(f"{DEVICE}modelName")
    assert {element.text for element in names} == {"<a> & b"}


def test_the_url_base_is_optional() -> None:
    """Most gateways omit it."""
    assert b"URLBase" not in described()
    assert b"<URLBase>http://127.0.0.1/</URLBase>" in described(url_base="http://127.0.0.1/")


def test_a_service_lists_its_actions_and_defines_their_variables() -> None:
    """Each argument's related variable is in the state table."""
    root = fromstring(describe_service(WAN_IP_1))
    actions = {element.findtext(f"{SERVICE}name") for element in root.iter(f"{SERVICE}action")}
    related = {element.text for element in root.iter(f"{SERVICE}relatedStateVariable")}
    defined = {element.findtext(f"{SERVICE}name") for element in root.iter(f"{SERVICE}stateVariable")}
    assert actions == actions_of(WAN_IP_1).keys()
    assert related <= defined
