"""Faults of what figures rest on: origin, factors, prices, calendars."""
