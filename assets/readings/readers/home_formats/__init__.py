"""Formats of Home Assistant and evcc."""
