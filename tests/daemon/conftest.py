"""Fixtures that run the program and a gateway on loopback."""

from running_program import gateway, ports, program, silence, upnp_gateway, wait

__all__ = ["gateway", "ports", "program", "silence", "upnp_gateway", "wait"]
