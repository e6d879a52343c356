"""Gateways as reached through backends: find them, call them, queue the work for each.

What comes in: targets to probe, and requests for one gateway.
What goes out: the gateways that answered, best first, and results that were checked: a lease that fits its
request or one error of the vocabulary. One work queue per gateway limits what is under way.
"""
