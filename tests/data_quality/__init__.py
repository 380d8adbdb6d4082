"""Pure evaluators: completeness, freshness, rejects."""
