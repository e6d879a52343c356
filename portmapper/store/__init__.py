"""The lease store: one SQLite file that survives a crash at any write.

What comes in: leases before they are requested and after they are granted, ad-hoc mappings, journal events.
What goes out: the leases of an earlier run, the answer to "is this lease ours, and does a mapping claim
it?" (`ownership`), and the journal's latest events.
"""
