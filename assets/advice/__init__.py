"""Advice on savings: recommendations from stored figures, their life, and who likes what."""
