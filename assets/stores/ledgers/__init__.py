"""Stores over append-only tables, by what they record."""
