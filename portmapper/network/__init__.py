"""The network of this host, and where in it a mapping belongs.

What comes in: interfaces, routes and changes of both from the operating system, and `--gateway` options.
What goes out: the targets where a gateway may answer, and for each mapping its places (internal address and
target), best first. No packet is sent from here.
"""
