"""Checks whether open ports are reachable from outside, with the help of a probe server.

What comes in: the open ports, and the URL of a probe server. What goes out: for each port a verdict with its
reason. An answer counts only if this host proves that it is its own.
"""
