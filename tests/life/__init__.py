"""The life of baselines: adjustments, types, monitoring, review, and what EnPIs say over time."""
