"""Backups of a project, and their way back (ADR 0095)."""
