"""Emission factors, what activities and sites emit under them, and what a changed factor restates."""
