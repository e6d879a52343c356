"""Loads plugins and keeps their faults away from the rest of the program.

What comes in: entry points of the group `portmapper`, and calls into the objects that plugins create.
What goes out: the registered classes, and results within a time limit. Whatever a plugin raises becomes an
error of our own vocabulary and is recorded under the plugin's name.
"""
