"""Recomputation of figures from their traces."""
