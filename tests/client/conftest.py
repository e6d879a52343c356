"""Fixtures with gateways on loopback."""

from running_program import gateway, silence

__all__ = ["gateway", "silence"]
