"""Prices by local time and factors by local day."""
