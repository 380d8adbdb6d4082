"""Benchmarks of `make bench`: our way against a pandas version of the same work, in the same run."""
