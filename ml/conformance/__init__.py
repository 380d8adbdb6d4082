"""Conformance: clause by clause, each with a case that is computed on the spot."""
