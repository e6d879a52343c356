"""The Secret that all replicas share: the key of the tokens, and the record of open ports."""

from __future__ import annotations

import base64
import binascii
import logging
import secrets
from typing import TYPE_CHECKING, Any

from portmapper.api import DerivedTokens, IPAddress, Protocol, TokenSource
from portmapper_kubernetes.api_errors import CONFLICT, NOT_FOUND, ApiFailure

if TYPE_CHECKING:
    from portmapper_kubernetes.api_server import ApiServer

NAME = "portmapper-leases"
_KEY = "cluster-secret"
_RECORD = "leases"
_KEY_BYTES = 32

_log = logging.getLogger(__name__)


class SharedSecret(TokenSource):
    """The Secret `portmapper-leases`.

    Attributes:
        record: the record of open ports that was read or written last.
        is_loaded: the Secret was read, so it may be written.
    """

    name = "kubernetes"

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.record = b""
        self.is_loaded = False
        self._server = server
        self._namespace = namespace
        self._path = f"api/v1/namespaces/{namespace}/secrets"
        self._secret: dict[str, Any] = {}
        self._tokens: DerivedTokens | None = None

    def token(
        self, gateway: str, protocol: Protocol, internal_address: IPAddress, internal_port: int
    ) -> bytes | None:
        """Return a token derived from the shared key; None while the key is not known."""
        if self._tokens is None:
            return None
        return self._tokens.token(gateway, protocol, internal_address, internal_port)

    async def load(self, limit: float) -> None:
        """Read the Secret; create it if it does not exist.

        Raises:
            ApiFailure: the API server does not answer within `limit` seconds, or refuses.
        """
        try:
            found = await self._server.request("GET", f"{self._path}/{NAME}", limit=limit)
        except ApiFailure as failure:
            if failure.status != NOT_FOUND:
                raise
            found = await self._create(limit)
        self._keep(found)

    async def _create(self, limit: float) -> dict[str, Any]:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": NAME, "namespace": self._namespace},
            "data": {_KEY: base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()},
        }
        try:
            return await self._server.request("POST", self._path, body=secret, limit=limit)
        except ApiFailure as failure:
            if failure.status != CONFLICT:
                raise
            return await self._server.request("GET", f"{self._path}/{NAME}", limit=limit)

    def _keep(self, found: dict[str, Any]) -> None:
        data = found.get("data") or {}
        key, self.record = _decoded(data, _KEY), _decoded(data, _RECORD)
        if len(key) >= _KEY_BYTES:
            self._tokens = DerivedTokens(key)
        else:
            _log.warning("the Secret %s has no valid %s: delete it, and it is created again", NAME, _KEY)
        self._secret = {key: value for key, value in found.items() if key != "data"} | {"data": data}
        self.is_loaded = True

    async def save(self, record: bytes) -> None:
        """Write the record of open ports.

        The API server refuses if another replica has written it since the last `load`.

        Raises:
            ApiFailure: it is not written.
        """
        data = {**self._secret["data"], _RECORD: base64.b64encode(record).decode()}
        changed = {**self._secret, "data": data}
        self._keep(await self._server.request("PUT", f"{self._path}/{NAME}", body=changed))


def _decoded(data: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(data.get(name) or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        return b""
