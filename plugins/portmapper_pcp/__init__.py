"""PCP (RFC 6887) and NAT-PMP (RFC 6886): one UDP port of the gateway, two backends.

`pcp_codec` and `natpmp_codec` are pure packets, `results` turns result numbers into errors, `epoch`
tells a restart from the gateway's clock, `schedule` says when to send again; `exchange` asks over
UDP, `announcements` listens to multicast, `gateway` is what the two backends share, `pcp` and
`nat_pmp` are the backends.
"""
