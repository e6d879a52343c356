"""Reasons why an object is not accepted. The class names are the reasons of its condition `Accepted`."""

from __future__ import annotations

from portmapper.api import PortmapperError


class Rejection(PortmapperError):
    """An object is not accepted."""

    @property
    def reason(self) -> str:
        """Reason in the condition `Accepted`."""
        return type(self).__name__


class InvalidSpec(Rejection):
    """The object is invalid, or names something that does not exist."""


class DeniedByPolicy(Rejection):
    """The operator does not allow it."""


class PortTaken(Rejection):
    """An older object has the port."""
