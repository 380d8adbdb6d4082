"""A supplier's bill held against ours: pairs of lines, suspicions, a cause."""
