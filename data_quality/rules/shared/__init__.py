"""What several rules share: days, norms, hits, events."""
