"""Finds out why a port is not reachable.

What comes in: this host's network, firewall and listeners, the gateways' answers, the desired ports.
What goes out: findings, each with a stable code, a severity, one sentence and advice. Apart from one short-
lived test mapping, doctor changes nothing.
"""
