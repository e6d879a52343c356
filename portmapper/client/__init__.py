"""The Python API: `Client` for asyncio, `SyncClient` for threads.

What comes in: ports that a program wants open while it runs.
What goes out: leases that are renewed until the program closes them. The client runs a scheduler without a
daemon, a settings file or a lease store on disk.
"""
