"""The daemon's HTTP API on a Unix socket (or a loopback port), and the client for it.

What comes in: requests of the command line and of other programs of the same user.
What goes out: JSON documents and event streams. The daemon decides; this package only transports.
"""
