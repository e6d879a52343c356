"""Bugs of single devices that the core works around with precautions."""
