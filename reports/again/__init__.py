"""Figures made again from what their traces name."""
