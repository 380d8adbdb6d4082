"""Parts of several rules: days, norms, hits, events."""
