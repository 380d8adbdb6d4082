"""Erasure of one person or one meter from a project, signed and without the data (ADR 0096)."""
