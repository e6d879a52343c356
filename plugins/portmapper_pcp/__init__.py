"""The `pcp` and `natpmp` backends: PCP (RFC 6887) and NAT-PMP (RFC 6886), two protocols on one UDP port.

`pcp_codec` and `natpmp_codec` convert packets, `results` maps result codes to errors, `epoch` detects a
restart from the gateway's clock, and `retransmission` schedules retries. `exchange` sends requests over UDP
and `announcements` listens to multicast. `gateway` is the base of both gateways, which `pcp` and `nat_pmp`
implement. `backends` finds them.
"""
