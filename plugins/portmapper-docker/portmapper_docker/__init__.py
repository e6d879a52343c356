"""Source that reads the labels of running containers."""
