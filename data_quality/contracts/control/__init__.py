"""Forecasts, plans and commands as data."""
