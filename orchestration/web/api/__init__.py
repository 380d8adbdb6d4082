"""Endpoints by group: the same questions as the command line's, with the same answers."""
