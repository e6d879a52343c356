"""One action on the gateways without a daemon: discover, list, open, close.

What comes in: targets, backends, and the lease store where one is needed.
What goes out: the gateways' answers, for a command to print. Each module performs one action and returns.
"""
