"""Tests of the simulated plant and home."""
