"""Static dstnat rules on RouterOS, over its REST API."""
