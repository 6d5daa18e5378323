"""Measurements: what the product does beside the least the same machine could do for it, in the same run."""
