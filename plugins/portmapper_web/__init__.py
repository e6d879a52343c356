"""Pages of the web interface: what is open, what is not and why, and buttons to change it."""
