"""Sensors, one trigger a file; each decision is a pure function of a room, run keys come from content."""
