"""Measures portmapper beside its peers, on the same gateway and in the same run.

`rows` is what comes of a measure, `timing` measures, `starts` and `crowds` need the lab, `alone` does not.
`inside` and `crafted` are run as processes of their own, and `granting` is a gateway that costs nothing.
"""
