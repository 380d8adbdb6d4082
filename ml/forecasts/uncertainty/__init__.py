"""Uncertainty of a forecast: calibrated bands, courses that belong together, and scores of both."""
