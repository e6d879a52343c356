"""The soak: faults at random for minutes, a WAN prober on every port, and a report at the end."""
