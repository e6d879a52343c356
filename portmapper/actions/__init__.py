"""One action on the gateways without a daemon: discover, list, open, close.

What comes in: targets, backends, and the lease store where one is needed.
What goes out: what the gateways answered, for a command to print. Each module does one action and ends.
"""
