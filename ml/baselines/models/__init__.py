"""Models of a baseline: forms, fits, choices, statistics."""
