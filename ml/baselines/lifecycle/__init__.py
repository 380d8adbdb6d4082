"""Baselines of a site from fit to review."""
