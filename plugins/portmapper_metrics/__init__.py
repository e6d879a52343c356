"""Observer that exposes the daemon's metrics to Prometheus."""
