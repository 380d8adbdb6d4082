"""Tests of the dispatch problem: rows, optima, proofs, conflicts."""
