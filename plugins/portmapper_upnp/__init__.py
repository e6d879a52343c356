"""The `upnp` backend: UPnP IGD v1 and v2, on async-upnp-client.

`backend` is the entry. `search`, `multicast`, `ssdp_packet` and `discovery` find devices; `factory`,
`description` and `select_connection` turn a description into a gateway; `igd` and `add_mapping` map ports
over IPv4, `pinholes` and `firewall` over IPv6; `requester`, `soap_call` and `soap_reply` carry the calls;
`lenient_http` and `lenient_xml` read what strict parsers reject.
"""
