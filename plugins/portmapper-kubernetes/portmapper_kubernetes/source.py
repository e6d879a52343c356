"""The source `kubernetes:`: ports of Services and PortMapping objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from portmapper.api import Row, Source

if TYPE_CHECKING:
    from portmapper_kubernetes.controller import Controller


class KubernetesSource(Source):
    """Services and PortMappings of `kubernetes:`, or of `kubernetes:NAMESPACE`.

    The plugin checks what objects may choose, so the core need not.
    """

    name = "kubernetes"
    is_trusted = True
    may_be_down = True
    is_authoritative = True

    def __init__(self, location: str, controller: Controller | None = None) -> None:
        super().__init__(location)
        if controller is None:
            from portmapper_kubernetes.controller import Controller
            from portmapper_kubernetes.options import location_settings

            controller = Controller(location_settings(location))
        self._controller = controller

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim the scheme `kubernetes:`."""
        return location.startswith("kubernetes:")

    async def fetch(self) -> Sequence[Row]:
        """Return the rows of the current objects; during an outage, of the last known ones.

        Raises:
            SourceError: the API server has not answered since the start.
        """
        await self._controller.follow()
        return self._controller.rows()

    async def watch(self, changed: Callable[[], None]) -> None:
        """Report each change of an object until `close`."""
        self._controller.listen(changed)
        changed()  # an object may have changed since the first read

    async def close(self) -> None:
        """Stop following the API server."""
        await self._controller.close()
