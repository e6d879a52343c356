"""The soak: random faults for minutes, a WAN prober on every port, and a report."""
