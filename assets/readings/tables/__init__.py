"""A table of columns becomes readings and rejects."""
