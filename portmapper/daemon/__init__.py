"""The life of one run: start, reload, stop.

What comes in: options, sources, signals, requests of other programs, the service manager.
What goes out: a scheduler that runs until the end, the pid file, notifications to systemd, the exit status.
"""
