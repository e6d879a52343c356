"""Helpers without any knowledge of port mapping: time, retry delays, threads, text, lazy imports.

What comes in: plain values; this package imports nothing else of portmapper.
What goes out: a clock that tests can replace, backoff and jitter, blocking calls in threads, and text that
is safe to show on a terminal.
"""
