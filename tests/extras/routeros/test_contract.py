"""The RouterOS backend fulfills the backend contract."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from portmapper_routeros.backend import RouterOsBackend

from portmapper.api.backend import Target
from portmapper.api.model import Protocol
from portmapper.testing import BackendContract, BackendSubject

NOISE = b'\x00\xff{"ret": [1, 2'


@pytest.mark.usefixtures("hurry")
class TestRouterOs(BackendContract):
    """Runs the contract against the fake router."""

    @pytest.fixture
    def subject(self, router: Any, here: Target) -> BackendSubject:
        """A router that can be silent or answer invalid data."""

        def open_ports() -> set[tuple[Protocol, int]]:
            return {(Protocol(rule["protocol"].upper()), int(rule["dst-port"])) for rule in router.rules}

        def garble() -> None:
            router.answer = lambda _: web.Response(body=NOISE, content_type="application/json")

        return BackendSubject(
            backend=RouterOsBackend(),
            target=here,
            open_ports=open_ports,
            silence=lambda: setattr(router, "silent", asyncio.Event()),
            garble=garble,
        )
