"""Loads plugins and isolates the rest of the program from their faults.

What comes in: entry points of the group `portmapper`, and calls to the objects that plugins create.
What goes out: the registered classes, and results within a time limit. An unexpected exception becomes a
`PluginFault` and is recorded under the plugin's name.
"""
