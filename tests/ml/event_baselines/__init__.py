"""Event baselines of demand response."""
