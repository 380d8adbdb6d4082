"""Baselines, what they expect, and what changes it."""
