"""KPIs: marts and their recomputation from lake rows."""
