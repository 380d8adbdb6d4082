"""Incremental marts: which part a run computes, and from which sources."""
