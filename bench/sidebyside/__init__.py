"""Benchmarks of portmapper and other programs on the same gateway, in the same run.

`rows` holds results and `timing` measures. `process_start` and `many_mappings` need the lab,
`without_gateway` does not. `in_process` and `raw_packets` run as separate processes.
"""
