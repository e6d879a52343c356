"""The source `http`: documents at HTTP and HTTPS URLs.

`source` fetches and follows redirects, `address_check` resolves a host and tells public from private
addresses, `connector` connects to the checked addresses only, `body` reads and decompresses with a limit.
"""
