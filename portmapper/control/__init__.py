"""The daemon's HTTP API on its Unix socket (or a loopback port), and the client for it.

What comes in: requests of the command line and of other programs of the same user.
What goes out: JSON documents and event streams. Decisions are the daemon's; this package only transports.
"""
