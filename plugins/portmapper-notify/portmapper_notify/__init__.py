"""Observer that sends messages when a port stays closed, over apprise."""
