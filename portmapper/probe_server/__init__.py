"""The probe server: connects back to the hosts that ask for it, and to no other.

What comes in: requests without an address. What goes out: a few packets to the address that each request came
from, and what came back. It must be of no use to scan or to flood others, so everything is limited.
"""
