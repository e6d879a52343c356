"""Observers that run a command, or call a URL, for each event that they are made for."""
