"""Controller that opens ports for Kubernetes Services and PortMapping objects."""
