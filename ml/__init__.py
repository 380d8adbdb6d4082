"""Baselines and forecasts: stored days and hours in, fitted models and their scores out. Knows no report, no device."""
