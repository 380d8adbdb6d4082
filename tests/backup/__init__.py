"""Backups and their way back, with real stores, processes and servers."""
