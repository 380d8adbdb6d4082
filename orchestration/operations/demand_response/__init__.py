"""Demand response: events settled against baselines."""
