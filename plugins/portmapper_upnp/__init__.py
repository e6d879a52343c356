"""UPnP IGD v1 and v2, on async-upnp-client."""
