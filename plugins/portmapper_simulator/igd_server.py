"""UPnP IGD server: SSDP, the descriptions over HTTP, and SOAP."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

import attrs

from portmapper_simulator import upnp_points
from portmapper_simulator.actions import FIREWALL_1, WAN_COMMON, WAN_IP_1, WAN_IP_2
from portmapper_simulator.description import (
    COMMON_CONTROL,
    COMMON_SCPD,
    CONNECTION_SCPD,
    FIREWALL_CONTROL,
    FIREWALL_SCPD,
    describe_device,
    describe_service,
)
from portmapper_simulator.http_server import HttpRequest, HttpServer
from portmapper_simulator.soap_server import answer_soap
from portmapper_simulator.ssdp_server import Advertisement, SsdpServer
from portmapper_simulator.state import State
from portmapper_simulator.upnp_points import Layout, Response, WanService

OTHER_DEVICE = "/unrelated.xml"
"""Path of a media server's description, for gateways that announce it first."""


class IgdServer:
    """SSDP, HTTP and SOAP, opened and closed together."""

    is_open = False

    def __init__(self, state: State) -> None:
        self._state = state
        self._uuid = f"uuid:{uuid.uuid4()}"
        self.http = HttpServer(state, self._respond)
        self.ssdp = SsdpServer(state)

    @property
    def location(self) -> str:
        """URL of the device description."""
        layout = self._layout()
        return f"http://{layout.host}:{layout.ports[0]}{layout.redirect or layout.location}"

    async def open(self) -> None:
        """Open all sockets and announce the device; on `OSError`, close them again."""
        try:
            await self.http.open()
            await self.ssdp.open(self._advertisement())
        except OSError:
            await self.close()
            raise
        self.is_open = True
        self.ssdp.announce("ssdp:alive")

    async def close(self, *, goodbye: bool = False) -> None:
        """Close all sockets; with `goodbye`, send byebye first."""
        if goodbye:
            self.ssdp.announce("ssdp:byebye")
        self.is_open = False
        await self.ssdp.close()
        await self.http.close()

    def announce_restart(self) -> None:
        """Send byebye and alive; alive contains the new boot id and the current location."""
        self.ssdp.announce("ssdp:byebye")
        self.ssdp.change(self._advertisement())
        self.ssdp.announce("ssdp:alive")

    def _advertisement(self) -> Advertisement:
        services = tuple(dict.fromkeys(service.kind for service in self._layout().services))
        return Advertisement(self.location, self._uuid, (WAN_COMMON, *services))

    def _layout(self) -> Layout:
        settings = self._state.settings
        kind = WAN_IP_2 if settings.igd_version == 2 else WAN_IP_1
        service = WanService(kind, "WANIPConn1", self._state.external_address, control_url="/ctl/WANIPConn1")
        layout = Layout((service,), settings.host, self.http.ports, boot=self._state.boot)
        return upnp_points.LAYOUT.apply(self._state.quirks, layout)

    async def _respond(self, request: HttpRequest) -> Response:
        layout = self._layout()
        if request.method == "POST":
            return await self._control(request, layout)
        if request.method not in ("GET", "HEAD"):
            return Response(request.path, 405, b"")
        if request.path == layout.redirect:
            described = f"http://{layout.host}:{layout.ports[-1]}{layout.location}"
            return Response(request.path, layout.redirect_status, b"", location=described)
        body = self._document(request.path, layout)
        return Response(request.path, 404 if body is None else 200, body or b"")

    async def _control(self, request: HttpRequest, layout: Layout) -> Response:
        if request.path == COMMON_CONTROL:
            return await answer_soap(self._state, request, None)
        if layout.firewall and request.path == FIREWALL_CONTROL:
            return await answer_soap(self._state, request, None, FIREWALL_1)
        for service in layout.services:
            path = _path(service.control_url, layout)
            if layout.moved_controls and request.path == path:
                return Response(
                    path, 307, b"", location=f"http://{layout.host}:{layout.ports[-1]}/moved{path}"
                )
            if request.path.removeprefix("/moved") == path:
                return await answer_soap(self._state, request, service)
        return Response(request.path, 404, b"")

    def _document(self, path: str, layout: Layout) -> bytes | None:
        settings = self._state.settings
        if path == layout.location:
            return describe_device(layout, self._uuid, settings.igd_version, settings.model)
        if path == COMMON_SCPD:
            return describe_service(WAN_COMMON)
        if path == FIREWALL_SCPD and layout.firewall:
            return describe_service(FIREWALL_1)
        if path == CONNECTION_SCPD and layout.services:
            return describe_service(layout.services[0].kind)
        if path == OTHER_DEVICE:
            described = describe_device(attrs.evolve(layout, services=()), self._uuid, 1, "Media Server")
            return described.replace(b"InternetGatewayDevice", b"MediaServer")
        return None


def _path(control_url: str, layout: Layout) -> str:
    """Return the request path and query of a control URL."""
    if not control_url:  # quirk H9-empty
        return layout.location
    # Quirk H9-uuid: a path may look like an absolute URL.
    parts = urlsplit(control_url if control_url.startswith(("http:", "/", "?")) else f"/{control_url}")
    path = parts.path or layout.location
    path = path if path.startswith("/") else f"/{path}"
    return f"{path}?{parts.query}" if parts.query else path
