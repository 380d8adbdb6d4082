"""Exports in open formats: what others read without us."""
