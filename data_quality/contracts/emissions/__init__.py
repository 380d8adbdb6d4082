"""Emissions, as data."""
