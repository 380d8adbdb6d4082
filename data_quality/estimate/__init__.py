"""Estimation, one named method a file: what stands in place of a reading that may not be used, and how it is known."""
