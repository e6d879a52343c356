"""The settings file, `portmapper.toml`: where it is, what it may contain, how it is read.

What comes in: a TOML file, and the system's directories.
What goes out: frozen settings objects, or one error with file, line and the nearest valid key. Tables of
plugins are passed on to them.
"""
