"""Shows what the daemon measures to Prometheus."""
