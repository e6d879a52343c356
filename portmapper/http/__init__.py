"""The TCP listener of the daemon: the HTTP API and the web interface for browsers and other hosts.

What comes in: requests of anyone who reaches the address.
What goes out: the answers of `control`, and the pages of web plugins, to visitors who may have them. Nothing
here is imported while the listener is off.
"""
