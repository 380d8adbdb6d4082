"""Daily tables, baselines, forecasts, their registry and their stores."""
