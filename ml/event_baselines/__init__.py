"""Event baselines of demand response, side by side: rules of programmes and a regression, on the meter's own days."""
