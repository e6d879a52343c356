"""Finds gateways through backends, calls them, and queues the work for each.

What comes in: targets to probe, and requests for one gateway.
What goes out: the gateways that answered, best first, and checked results: a lease that matches its request,
or one error of the vocabulary. One work queue per gateway limits the number of concurrent requests.
"""
