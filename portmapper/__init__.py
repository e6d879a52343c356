"""Keeps ports open on the NAT gateway in front of you, over PCP, NAT-PMP and UPnP IGD.

This package is the core: it knows no protocol, no file format and no screen. Those are plugins,
found through the entry-point group ``portmapper``. Import `hookimpl` from here to write one.
"""

__version__ = "0.1.0"
