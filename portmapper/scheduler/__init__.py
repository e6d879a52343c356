"""Compares desired mappings with held leases and asks gateways for the difference.

What comes in: desired mappings, answers and events of gateways, changes of the network, time.
What goes out: requests, renewals and releases to the gateways' work queues, leases to the store, and an
event for each change. It decides by the type of an error, never by a protocol.
"""
