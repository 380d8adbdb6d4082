"""Figures, findings and reports as data."""
