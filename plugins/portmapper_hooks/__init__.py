"""Observers that run a command or call a URL for selected events."""
