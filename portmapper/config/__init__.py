"""The settings file `portmapper.toml`: its path, its keys, and the loader.

What comes in: a TOML file, and the system's directories.
What goes out: frozen settings objects, or one error with file, line and the nearest valid key. The
tables of plugins are passed on unchecked.
"""
