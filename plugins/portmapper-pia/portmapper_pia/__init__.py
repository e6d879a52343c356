"""Backend for the port forwarding of the VPN provider Private Internet Access."""
