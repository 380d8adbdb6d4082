"""Tests of what the stores promise of their rows."""
