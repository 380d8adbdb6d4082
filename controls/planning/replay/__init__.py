"""A stored day once more: its plans solved again, and what other policies would have cost on it."""
