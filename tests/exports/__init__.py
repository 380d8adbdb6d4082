"""Exports in open formats."""
