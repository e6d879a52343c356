"""Turns documents into desired mappings.

What comes in: documents that source plugins fetch, rows that format plugins parse, and ports that the command
`open` requests.
What goes out: `Reading` objects: valid mappings, rejected rows with their place and reason, or the error.
The policy is applied here. A source that fails keeps its last valid mappings.
"""
