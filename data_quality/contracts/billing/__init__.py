"""Tariffs and bills as data."""
